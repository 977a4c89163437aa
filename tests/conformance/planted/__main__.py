"""Every planted fault, one per line, and the figures: `python -m tests.conformance.planted [PART OF A NAME]`."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))  # as under pytest

from conformance.planted.faults import PLANTED
from conformance.planted.trials import outcomes, summary

found = []
for one in outcomes([one for one in PLANTED if all(part in one.id for part in sys.argv[1:])]):
    found.append(one)
    said = "; ".join(one.texts) or ("not named" if one.failed else "")
    mark = "MISSED" if not one.failed else "WRONG " if one.wrongly else "named " if one.named else "failed"
    print(f"{mark} {one.seconds:5.1f} s  {one.planted.id}: {said}  [{one.problem[:90]}]", flush=True)
print(summary(found))
