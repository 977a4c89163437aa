"""The README as a page of an index: its links into the repository lead there, or, while that has no address, are text.

Pictures in the repository are left out: an index shows only those with an address.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from hatchling.metadata.plugin.interface import MetadataHookInterface

PICTURE = re.compile(r"!\[[^\]]*\]\((?!https?:)[^)]+\)\n*")
LINK = re.compile(r"\[([^\]]+)\]\((?!https?:)([^)]+)\)")


def readme_of_an_index(readme: str, files: str | None) -> str:
    """`files` is the address that the files of this version stand below."""
    return LINK.sub(rf"[\1]({files}/\2)" if files else r"\1", PICTURE.sub("", readme))


class ReadmeOfAnIndex(MetadataHookInterface):
    def update(self, metadata: dict[str, Any]) -> None:
        source = metadata.get("urls", {}).get("Source")
        files = source and f"{source}/blob/v{metadata['version']}"
        readme = Path(self.root, "README.md").read_text("utf-8")
        metadata["readme"] = {"content-type": "text/markdown", "text": readme_of_an_index(readme, files)}
