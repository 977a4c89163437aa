"""Runs inputs of one target in this process, prints figures as JSON, and keeps the current input in a file in case of a crash."""

from __future__ import annotations

import json
import random
import sys
import tempfile
import time
import traceback
import warnings
from pathlib import Path

from tests.fuzz.targets import TARGETS


def work(name: str, seed: int, count: int, seconds: float, current: Path) -> dict[str, object]:
    """Try `count` inputs, or as many as the time allows."""
    warnings.simplefilter("ignore")
    figures = {"target": name, "tried": 0, "accepted": 0, "slowest": 0.0}
    findings: list[dict[str, object]] = []
    end = time.monotonic() + seconds
    with tempfile.TemporaryDirectory() as folder:
        target = TARGETS[name](Path(folder))
        for number in range(seed, seed + count):
            if time.monotonic() > end:
                break
            data = target.mutate(random.Random(number))
            current.write_bytes(data)
            started = time.perf_counter()
            try:
                figures["accepted"] += target.accepts(data)
            except BaseException as error:  # everything else is a finding
                if isinstance(error, KeyboardInterrupt):
                    raise
                findings.append({"seed": number, "error": "".join(traceback.format_exception(error)[-3:])})
            figures["tried"] += 1
            figures["slowest"] = max(figures["slowest"], time.perf_counter() - started)
    try:
        import resource

        figures["peak_mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    except ImportError:
        pass
    return figures | {"findings": findings}


if __name__ == "__main__":
    print(json.dumps(work(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), float(sys.argv[4]), Path(sys.argv[5]))))
