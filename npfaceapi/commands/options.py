"""Options that several commands share, each with one meaning; and old spellings.

A help text gives the shared meaning first, and then in brackets what is specific to the command.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from npfaceapi.display.standard_error import say
from npfaceapi.errors import InvalidArgument
from npfaceapi.networks.registry import all_names, full_name, listed
from npfaceapi.networks.unbundled import VARIABLE, folder_at_hand

__all__ = [
    "IN_USE",
    "add_case_arguments",
    "add_net",
    "add_old_spelling",
    "add_overwrite",
    "add_shared",
    "add_verbose",
    "name_among",
    "size",
    "tell_old_spelling",
    "weights_read",
]


def size(text: str) -> tuple[int, int]:
    """For argparse: height and width in pixels."""
    sides = text.split("x")
    if not 1 <= len(sides) <= 2 or not all(side.isdecimal() and int(side) > 0 for side in sides):
        raise argparse.ArgumentTypeError(f"expected a number of pixels, or HEIGHTxWIDTH, got {text!r}")
    return int(sides[0]), int(sides[-1])


#: By option: the name of its value, and its meaning.
SHARED: dict[str, tuple[str | None, str]] = {
    "--backend": ("NAME", "backend that runs the networks"),
    "--case": ("GLOB", "only golden cases whose name matches"),
    "--format": ("FORMAT", "format to write"),
    "--golden": ("DIR", "folder of golden cases"),
    "--json": ("FILE", "write the results as JSON; - means standard output, without the tables"),
    "--net": ("NET", "this network only"),
    "--out": ("FILE", "file to write"),
    "--overwrite": (None, "let outputs replace files that this command did not write earlier; inputs are never replaced"),
    "--size": ("S|HxW", "size of the input in pixels, for networks that take any"),
    "--verbose": (None, "print a line for each case, not only for each level"),
    "--weights": ("DIR", "folder of model files"),
}
IN_USE = "default: the one in use; npfaceapi backends lists them"


def add_shared(parser: argparse.ArgumentParser, option: str, own: str = "", **more: Any) -> argparse.Action:
    """Add a shared option to a command; `own` is the part of the help that is specific to it."""
    metavar, meaning = SHARED[option]
    if metavar is not None:
        more["metavar"] = metavar
    return parser.add_argument(option, help=f"{meaning} ({own})" if own else meaning, **more)


def add_net(parser: argparse.ArgumentParser) -> None:
    """Add the positional argument NET; each variant and each part has its own name."""
    names = all_names()
    parser.add_argument("net", type=name_among(names), metavar="NET", help=f"the network (one of {listed(names)})")


def add_case_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options that choose golden cases and their folders."""
    own = 'with wildcards, for example "raw/*"; may be repeated; default: all'
    add_old_spelling(parser, "--only", add_shared(parser, "--case", own, action="append", default=[]))
    add_shared(parser, "--golden", "default: those of the checkout or the package")
    add_shared(parser, "--weights", f"for weights that are not bundled; default: the folder named by {VARIABLE}")


def weights_read(arguments: argparse.Namespace) -> list[str]:
    """The folder of weights that a command may read; an output must not replace them."""
    folder = getattr(arguments, "weights", None) or folder_at_hand()
    return [] if folder is None else [folder]


def add_overwrite(parser: argparse.ArgumentParser) -> None:
    """Add the option that lets a command replace existing files."""
    add_shared(parser, "--overwrite", action="store_true")


def add_verbose(parser: argparse.ArgumentParser) -> None:
    """Add the option that prints every golden case."""
    add_old_spelling(parser, "--all", add_shared(parser, "--verbose", action="store_true"))


def name_among(names: Iterable[str], kind: str = "network") -> Callable[[str], str]:
    """For argparse: the full name of one of these networks or detectors, given by its full or short name."""

    def name(text: str) -> str:
        try:
            return full_name(text, names, kind)
        except InvalidArgument as error:
            raise argparse.ArgumentTypeError(str(error)) from None

    return name


def add_old_spelling(parser: argparse.ArgumentParser, old: str, option: argparse.Action) -> None:
    """Accept an option's name in the previous release: hidden from --help, with a line that gives the new name."""
    parser.add_argument(old, action=_OldSpelling, option=option)


def tell_old_spelling(command: str, old: str, new: str) -> None:
    """The line."""
    say(f"{command}: {old} is now spelled {new}; the next release no longer takes the old spelling")


class _OldSpelling(argparse.Action):
    """Acts as the new option does; the first use prints the new name."""

    def __init__(self, option_strings: Sequence[str], dest: str, option: argparse.Action) -> None:
        del dest
        kind: Any = option.type
        hidden = argparse.SUPPRESS
        super().__init__(option_strings, option.dest, option.nargs, None, hidden, kind, option.choices, help=hidden)
        self.option, self.is_told = option, False

    def __call__(
        self, parser: argparse.ArgumentParser, namespace: argparse.Namespace, values: Any, option_string: str | None = None
    ) -> None:
        if not self.is_told:
            tell_old_spelling(parser.prog, self.option_strings[0], self.option.option_strings[0])
            self.is_told = True
        self.option(parser, namespace, values, option_string)
