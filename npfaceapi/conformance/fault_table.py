"""The levels at which each fault is caught, and its diagnosis, found by planting each fault.

A fault is planted in the float64 reference, and diagnosed with all faults in the float32 reference, so that the numbers
compared come from different arithmetic.  `python -m npfaceapi.conformance.fault_table` prints the table of
docs/conformance.md.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator

import numpy as np

from npfaceapi.conformance.diagnosis import Diagnostician
from npfaceapi.conformance.expected import expected_of
from npfaceapi.conformance.faults import FAULTS
from npfaceapi.conformance.golden import Case, GoldenCases
from npfaceapi.conformance.judge import judge
from npfaceapi.conformance.questions import ORDER, question_of
from npfaceapi.conformance.tolerance import GRADES, Grade

__all__ = ["CASES", "Trial", "small", "table_rows", "trials"]

#: Small cases on which the faults are tried, with pictures that are not square.
CASES = (
    "weights/face_landmark_68_tiny_net", "weights/face_recognition_net",
    "operations/conv2d/2", "operations/depthwise_conv2d/2", "operations/max_pool/5",
    "operations/max_pool/7", "operations/avg_pool/1", "operations/dense/1", "operations/batch_norm/1", "operations/leaky_relu/1",
    "operations/relu6/1", "operations/prelu/1", "operations/softmax/1", "operations/resize_bilinear/5",
    "taps/face_landmark_68_tiny_net/noise", "taps/age_gender_net/noise", "taps/face_recognition_net/noise",
    "taps/mtcnn_rnet/noise_a", "taps/mtcnn_onet/noise_a", "taps/mtcnn_pnet/noise",
    "raw/ssd_mobilenetv1/cut@96", "raw/tiny_face_detector/tiny_128", "raw/tiny_yolov2/cut+noise_224@64",
    "raw/tiny_yolov2_full/cut+noise_128@64", "raw/face_landmark_68_net/astronaut+tall+tiny",
    "raw/face_landmark_68_tiny_net/astronaut+tall+tiny", "raw/face_recognition_net/astronaut+tall+tiny",
    "raw/face_expression_net/astronaut+tall+tiny", "raw/age_gender_net/astronaut+tall+tiny", "raw/mtcnn_pnet/astronaut_min_60_0",
    "raw/mtcnn_rnet/astronaut_min_60", "raw/mtcnn_onet/astronaut_min_60",
    "decode/ssd_mobilenetv1/synthetic_wide", "decode/ssd_mobilenetv1/ties", "decode/tiny_face_detector/synthetic_wide",
    "decode/tiny_yolov2_full/ties", "decode/face_landmark_68_net/synthetic", "decode/face_expression_net/synthetic",
    "decode/age_gender_net/synthetic", "decode/non_max_suppression/coarse_min_0.5",
    "decode/ssd_non_max_suppression/coarse_max_100", "decode/mtcnn_stage1/group",
    "decode/mtcnn_stage2/group", "decode/mtcnn_stage3/group", "decode/tiny_face_detector/some_at_threshold",
    "decode/mtcnn_stage2/score_at_threshold",
    "prepare/to_batch/wide_40_center", "prepare/to_batch/wide+tall+tiny_32_center", "prepare/resize/tiny_7x19",
    "prepare/crop/boxes_wide", "prepare/crop/boxes_tiny", "prepare/mtcnn_patches_24/group", "prepare/mtcnn_patches_48/tall",
    "chain/tiny_416/astronaut",
    "json/face_match", "json/face_matcher_1.2", "json/face_matcher_at_threshold", "json/alignment",
)  # fmt: skip


@dataclasses.dataclass(frozen=True)
class Trial:
    """One fault planted in one case: whether it was caught, the first failing answer, and the diagnosis."""

    fault: str
    title: str
    case: Case
    caught: bool
    first: str
    diagnosed: list[str]
    texts: list[str]
    ratio: float  # its largest error in units of its bound


def small(golden: GoldenCases, name: str) -> Case:
    """A golden case by name; `raw/…@64` is the case at input size 64, without stored answers."""
    full, _, size = name.partition("@")
    case = next(case for case in golden.all_cases if case.name == full)
    if not size:
        return case
    expected = [{"name": entry["name"], "kind": entry["kind"]} for entry in case.expected]
    return dataclasses.replace(case, name=name, attributes={**case.attributes, "size": int(size)}, expected=expected)


def trials(golden: GoldenCases, cases: Iterable[Case], grade: Grade = GRADES["float32"]) -> Iterator[Trial]:
    """Plant every fault in every case that it affects."""
    diagnostician = Diagnostician(golden, grade, most=10**9)
    for case in cases:
        question = question_of(golden, case)
        expected = expected_of(golden, case, question, grade)
        for fault in FAULTS:
            if case.level not in fault.levels:
                continue
            with np.errstate(all="ignore"):
                answers = fault.run(case, question, np.float64)
            if answers is None:
                continue
            judgement = judge(case, question, expected, answers, grade)
            first = judgement.first
            matches = diagnostician.diagnose(case, question, expected, answers) if first is not None else []
            names, texts = [match.name for match in matches], [match.text for match in matches]
            ratio = max(finding.ratio for finding in judgement.findings)
            where = first.name if first else ""
            yield Trial(fault.name, fault.title, case, first is not None, where, names, texts, ratio)


def table_rows(found: Iterable[Trial]) -> list[tuple[str, str, str, str]]:
    """One row per fault: its name, what is done, the levels where it is caught (caught / tried), the diagnosis."""
    by_fault: dict[str, list[Trial]] = {}
    for trial in found:
        by_fault.setdefault(trial.fault, []).append(trial)
    rows = []
    for name, tried in sorted(by_fault.items()):
        levels = []
        for level in ORDER:
            here = [trial for trial in tried if trial.case.level == level]
            caught = [trial for trial in here if trial.caught]
            if caught:
                levels.append(f"{level} {len(caught)}/{len(here)}")
        caught = [trial for trial in tried if trial.caught]
        right = sum(name in trial.diagnosed for trial in caught)
        twins = sorted({other for trial in caught for other in trial.diagnosed} - {name})
        alike = f"; alike in some case: {', '.join(twins)}" if twins else ""
        rows.append((name, tried[0].title, ", ".join(levels), f"{name} {right}/{len(caught)}{alike}"))
    return rows


def main() -> None:
    golden = GoldenCases()
    print("| fault | what is done | caught at (caught / tried) | diagnosed as |\n|---|---|---|---|")
    for row in table_rows(trials(golden, (small(golden, name) for name in CASES))):
        print(f"| `{row[0]}` | {row[1]} | {row[2]} | {row[3]} |")


if __name__ == "__main__":
    main()
