"""Failures at lower levels of the networks and operations that a failed case uses."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from npfaceapi.conformance.golden import Case
from npfaceapi.conformance.levels import network_of
from npfaceapi.conformance.questions import Question
from npfaceapi.conformance.report import CaseResult

__all__ = ["failed_below"]

#: The lower levels of each composite level.
_BELOW = {
    "taps": ("weights", "operations"),
    "raw": ("weights", "operations", "taps"),
    "decode": ("decode",),
    "chain": ("weights", "taps", "raw", "decode", "prepare"),
    "json": ("weights", "taps", "raw"),
}
_SUPPRESSIONS = ("non_max_suppression", "ssd_non_max_suppression")


def failed_below(case: Case, question: Question, failed: Iterable[tuple[Case, CaseResult]]) -> list[str]:
    """One line for each network or operation that failed before: the levels, the number of cases, and the fault if known."""
    levels = _BELOW.get(case.level, ())
    groups: dict[str, list[CaseResult]] = {}
    operations: set[str] = set()
    if levels[1:2] == ("operations",):
        operations = {node.op for node in network_of(case).graph(*question.inputs["batch"].shape[1:3])}
    for lower, result in failed:
        if lower.level in levels and _is_used(case, lower, operations):
            groups.setdefault(lower.net or str(lower.attributes.get("op")), []).append(result)
    lines = []
    for name, results in groups.items():
        levels_told = ", ".join(f"{level} ({count})" for level, count in Counter(one.level for one in results).items())
        titles = [result.diagnosis[0].title for result in results if result.diagnosis]
        lines.append(f"{name}: {levels_told}{f': {titles[-1]}' if titles else ''}")
    return lines


def _is_used(case: Case, lower: Case, operations: set[str]) -> bool:
    op = str(lower.attributes.get("op", ""))
    if lower.level == "operations":
        return op in operations
    if op in _SUPPRESSIONS:
        return (case.net == "ssd_mobilenetv1") == op.startswith("ssd") and "op" not in case.attributes and _detects(case)
    if case.level == "decode":
        return False
    return lower.net in _networks_of(case) or (lower.level == "prepare" and not lower.net)


def _detects(case: Case) -> bool:
    return case.net.startswith(("ssd", "tiny", "mtcnn"))


def _networks_of(case: Case) -> tuple[str, ...]:
    """The networks that a case runs."""
    if case.level != "chain":
        return (case.net,)
    detector = (case.net, "mtcnn_pnet", "mtcnn_rnet", "mtcnn_onet") if case.net == "mtcnn" else (case.net,)
    if case.attributes.get("only") == "mtcnn":
        return detector
    landmarks = "face_landmark_68_tiny_net" if case.attributes["use_tiny_landmark_net"] else "face_landmark_68_net"
    return (*detector, landmarks, "face_recognition_net", "face_expression_net", "age_gender_net")
