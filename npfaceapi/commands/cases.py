"""Golden cases for `verify` and `conform`, and messages about cases that cannot be judged here."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from npfaceapi.errors import InvalidArgument, WeightsError
from npfaceapi.networks.unbundled import WHERE

if TYPE_CHECKING:
    from npfaceapi.conformance.golden import GoldenCases

__all__ = ["golden_cases", "lacking_weights", "no_case"]


def golden_cases(arguments: argparse.Namespace) -> GoldenCases:
    """The golden cases in the folders that the arguments name."""
    from npfaceapi.conformance.golden import GoldenCases

    golden = GoldenCases(arguments.golden, arguments.weights)
    if arguments.weights is not None and not any(case.weights for case in golden.cases):
        raise InvalidArgument(
            f"--weights {arguments.weights}: expected a folder with weights of golden cases in {golden.folder}, got none; {WHERE}"
        )
    return golden


def lacking_weights(golden: GoldenCases, arguments: argparse.Namespace) -> str:
    """A line about requested cases whose weights are missing; empty if there are none."""
    from npfaceapi.conformance.golden import WEIGHTS_WANTED
    from npfaceapi.conformance.ports import patterns_match

    levels = getattr(arguments, "level", ())
    lacking = [case for case in golden.without_weights if not levels or case.level in levels]
    count = sum(patterns_match(case.name, arguments.case) for case in lacking)
    return f"{count} golden cases {WEIGHTS_WANTED}" if count else ""


def no_case(golden: GoldenCases, arguments: argparse.Namespace) -> Exception:
    """The error for a selection without any case that can be judged."""
    from npfaceapi.conformance.ports import patterns_match

    if line := lacking_weights(golden, arguments):
        return WeightsError(line)
    levels = getattr(arguments, "level", ())
    options = "--case and --level" if hasattr(arguments, "level") else "--case"
    chosen = " ".join([*arguments.case, *levels])
    if any(patterns_match(case.name, arguments.case) and (not levels or case.level in levels) for case in golden.all_cases):
        return InvalidArgument(f"{golden.folder}: expected the tensors of {chosen!r}, got none; --golden names another folder")
    return InvalidArgument(f"expected {options} to match one of {len(golden.all_cases)} golden cases, got {chosen!r}")
