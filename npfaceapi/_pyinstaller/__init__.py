"""What PyInstaller has to put into a program that imports npfaceapi, which it cannot see: imports by composed names, and files.

It finds this folder by the entry point `pyinstaller40`, and runs `hook-npfaceapi.py` in it.
"""

from __future__ import annotations

from pathlib import Path

from npfaceapi.weights import data_folder

__all__ = ["data_files", "hook_dirs", "submodules"]

_PACKAGE = Path(__file__).parents[1]
_NOT_IN_A_PROGRAM = ("_pyinstaller", "__main__")


def hook_dirs() -> list[str]:
    """Where PyInstaller looks for hooks."""
    return [str(Path(__file__).parent)]


def submodules() -> list[str]:
    """The full name of every module of npfaceapi that a program may need."""
    parts = [path.relative_to(_PACKAGE.parent).with_suffix("").parts for path in sorted(_PACKAGE.rglob("*.py"))]
    return [".".join(names).removesuffix(".__init__") for names in parts if names[1] not in _NOT_IN_A_PROGRAM]


def data_files() -> list[tuple[str, str]]:
    """Each file that npfaceapi reads, and the folder of the program into which it belongs."""
    own = sorted([*_PACKAGE.rglob("*.json"), *(_PACKAGE / "service" / "page").iterdir()])
    found = {path: path.parent.relative_to(_PACKAGE.parent) for path in own}
    for name, pattern in (("weights", "*"), ("golden", "cases.json"), ("golden/core", "*")):
        folder = Path(str(data_folder(name)))
        found.update((path, Path("npfaceapi", "_data", name)) for path in sorted(folder.glob(pattern)) if path.is_file())
    return [(str(path), str(place)) for path, place in found.items()]
