"""Text tables for the commands."""

from npfaceapi.plain_table import format_table

__all__ = ["format_table"]
