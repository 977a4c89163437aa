"""Exceptions that a port raises instead of an answer."""

from __future__ import annotations

from npfaceapi.errors import printable

__all__ = ["NotClaimed", "PortFailed"]

MOST_DETAILS = 20_000  # characters


class NotClaimed(Exception):
    """The port does not support this: the case is skipped, with the message as the reason.

    Examples
    --------
    >>> class Port:
    ...     def operation(self, *arguments, **named):
    ...         raise NotClaimed("no operations yet")
    >>> Port().operation("relu")
    Traceback (most recent call last):
        ...
    npfaceapi.conformance.port_errors.NotClaimed: no operations yet
    """


class PortFailed(Exception):
    """The port crashed, hung, or gave something that is not an answer.

    Parameters
    ----------
    problem : str
        One line.
    details : str
        Further lines, such as a traceback; only the end of a very long text is kept.
    """

    def __init__(self, problem: str, details: str = "") -> None:
        super().__init__(problem)
        self.details = "\n".join(printable(line.expandtabs()) for line in details[-MOST_DETAILS:].splitlines())
