"""Compare two installations of npfaceapi: the speed of every network, and every bit of its outputs.

    python .ci/guard.py OLD_PYTHON [NEW_PYTHON]     (default: this Python)

`.ci/measure guard` runs it with OLD=PYTHON.  Each is timed five times, alternating old and new (`bench --json`), with one and
with two threads; the minimum of each network counts.  Fails if the geometric mean of old / new is below 0.97, that of a network
below 0.93, or a bit differs.
"""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys

RUNS, THREADS, SECONDS = 5, (1, 2), "0.3"
LEAST_MEAN, LEAST = 0.97, 0.93
BITS = """
import hashlib, json, numpy as np
from npfaceapi import set_num_threads
from npfaceapi.benchmark.entries import ENTRIES
found = {}
for threads in (1, 2):
    set_num_threads(threads)
    for entry in ENTRIES:
        for count in (1, 3):
            batch = np.random.default_rng(0).uniform(0, 255, (count, entry.height, entry.width, 3)).astype(np.float32)
            given = entry.net.run_net(batch)
            digest = hashlib.sha256(b"".join(name.encode() + given[name].tobytes() for name in sorted(given))).hexdigest()
            found[f"{entry.name} {count}x{entry.height}x{entry.width} threads {threads}"] = digest
print(json.dumps(found))
"""


def output(python: str, *arguments: str) -> str:
    """The output of a Python process."""
    variables = {key: value for key, value in os.environ.items() if key not in ("PYTHONPATH", "NPFACEAPI_TINY_YOLOV2")}
    done = subprocess.run(
        [python, *arguments], cwd=os.path.expanduser("~"), env=variables, capture_output=True, check=False, text=True
    )
    if done.returncode:
        last = done.stderr.strip().rpartition("\n")[2]
        sys.exit(f"{python}: expected the Python of an environment with npfaceapi 0.2.0 or later, got: {last}")
    return done.stdout


def least_times(pythons: tuple[str, str], threads: int) -> list[dict[str, float]]:
    """The minimum time of each network in milliseconds, for each Python."""
    least: list[dict[str, float]] = [{}, {}]
    for _ in range(RUNS):
        for times, python in zip(least, pythons, strict=True):
            options = ("--threads", str(threads), "--against", "none", "--seconds", SECONDS, "--json", "-")
            for record in json.loads(output(python, "-m", "npfaceapi", "bench", *options)):
                name = f"{record['net']} {record['input']}"
                times[name] = min(times.get(name, math.inf), record["ours_ms_min"])
    return least


def main(old: str, new: str) -> int:
    failed = False
    before, after = (json.loads(output(python, "-c", BITS)) for python in (old, new))
    different = [name for name in before if before[name] != after.get(name)]
    print(f"bits: {len(before) - len(different)} of {len(before)} outputs equal", *different, sep="\n  ")
    failed |= bool(different)
    for threads in THREADS:
        slow, fast = least_times((old, new), threads)
        ratios = {name: slow[name] / fast[name] for name in slow}
        mean = math.exp(sum(map(math.log, ratios.values())) / len(ratios))
        print(f"\n{threads} thread{'s' * (threads > 1)}: geometric mean of old / new {mean:.3f}")
        for name, ratio in ratios.items():
            print(f"  {name:45} {slow[name]:9.3f} ms {fast[name]:9.3f} ms {ratio:6.3f}")
        failed |= mean < LEAST_MEAN or min(ratios.values()) < LEAST
    print("\nFAILED" if failed else "\nequally fast, same bits")
    return failed


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2] if len(sys.argv) > 2 else sys.executable))
