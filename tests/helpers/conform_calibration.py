"""The calibration table of docs/conformance.md: `PYTHONPATH=. python tests/helpers/conform_calibration.py` prints it.

It has the largest error of each engine, and the smallest of the planted faults, in units of their bounds.  The gap between them
is the margin of the bounds.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

from npfaceapi.conformance.expected import expected_of
from npfaceapi.conformance.fault_table import CASES, small, trials
from npfaceapi.conformance.golden import GoldenCases
from npfaceapi.conformance.judge import ratios
from npfaceapi.conformance.ports import BackendPort, PythonPort
from npfaceapi.conformance.questions import question_of
from npfaceapi.conformance.runner import chosen_cases, run_cases
from npfaceapi.conformance.tolerance import GRADES

sys.path.insert(0, str(Path(__file__).parents[1]))
from helpers.conform_engines import OnnxPort, TorchPort

GOLDEN = GoldenCases()
FLOAT32 = GRADES["float32"]
LEVELS = ("operations", "taps", "raw", "decode", "prepare", "chain")
PLANTED = ("operations", "decode/face", "decode/age", "prepare", "taps/mtcnn_r", "raw/mtcnn", "raw/face_landmark_68_t")
# Every level and every kind of network, but not every picture.
PATTERNS = ("operations/*", "taps/ssd*/noise", "taps/face_[lr]*/noise", "taps/age*/noise", "raw/[afs]*/astronaut",
            "raw/mtcnn*/astronaut_min_60*", "raw/tiny_face*/tiny*", "decode/[afst]*", "prepare/*",
            "chain/tiny_416/*")  # fmt: skip


def of_port(port):
    """The largest error of each level in units of its bound; None where the port does not claim it."""
    report = run_cases(port, GOLDEN, chosen_cases(GOLDEN, PATTERNS), FLOAT32, diagnose=False)
    assert not report.counts["failed"], [r.name for r in report.results if r.status == "failed"]
    worst = {}
    for result in report.results:
        if result.status == "passed":
            worst[result.level] = max(worst.get(result.level, 0.0), result.worst.ratio)
    return worst


def of_face_api():
    """The stored values of face-api.js that are compared with float64."""
    worst = {}
    for case in chosen_cases(GOLDEN, PATTERNS, LEVELS[:3]):
        question = question_of(GOLDEN, case)
        entries = {entry["name"]: entry for entry in case.expected}
        for one in expected_of(GOLDEN, case, question, FLOAT32):
            if not GOLDEN.has(entries[one.name].get("tensor", "")):
                continue
            stored, (value, bound) = (
                GOLDEN.tensor(entries[one.name]["tensor"]),
                np.broadcast_arrays(one.value, one.bound["absolute"]),
            )
            if "samples" in entries[one.name] and value.size > stored.size:
                from npfaceapi.conformance.synthetic import sample_indices

                picked = sample_indices(value.size, stored.size, entries[one.name]["seed"])
                value, bound = value.reshape(-1)[picked], bound.reshape(-1)[picked]
            found = ratios(stored.reshape(value.shape), value, {"absolute": bound})[0].max(initial=0)
            worst[case.level] = max(worst.get(case.level, 0.0), float(found))
    return worst


def main():
    rows = {"face-api.js 0.22.2": of_face_api()}
    for backend in ("numba", "reference"):
        rows[f"npfaceapi, {backend}"] = of_port(BackendPort(GOLDEN, backend))
    rows["ONNX Runtime"] = of_port(PythonPort(OnnxPort()))
    rows["PyTorch"] = of_port(PythonPort(TorchPort()))
    least = {}
    print(rows, file=sys.stderr, flush=True)
    for trial in trials(GOLDEN, (small(GOLDEN, name) for name in CASES if name.startswith(PLANTED))):
        if trial.caught and trial.ratio > 0 and trial.case.level in LEVELS:
            least[trial.case.level] = min(least.get(trial.case.level, (np.inf, "")), (trial.ratio, trial.fault))
    print(f"| engine | {' | '.join(LEVELS)} |")
    print(f"|---|{'---|' * len(LEVELS)}")
    for name, worst in rows.items():
        print(f"| {name} | {' | '.join(f'{worst[level]:.2f}' if level in worst else '' for level in LEVELS)} |")
    faults = " | ".join(f"{least[level][0]:.3g} (`{least[level][1]}`)" if level in least else "" for level in LEVELS)
    print(f"| smallest of the planted faults | {faults} |")


if __name__ == "__main__":
    main()
