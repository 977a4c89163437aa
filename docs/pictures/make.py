"""Draw the pictures of the pages, and those of architecture.py, chain.py, distances.py and gallery.py.

python docs/pictures/make.py            # all
python docs/pictures/make.py nms fusion # these
"""

from __future__ import annotations

import sys
from pathlib import Path

FOLDER = Path(__file__).resolve().parent
sys.path[:0] = [str(FOLDER), str(FOLDER.parents[1])]

import architecture  # noqa: E402
import blocks  # noqa: E402
import chain  # noqa: E402
import convolutions  # noqa: E402
import detectors  # noqa: E402
import distances  # noqa: E402
import gallery  # noqa: E402

import faces  # noqa: E402

PICTURES = blocks.PICTURES | convolutions.PICTURES | detectors.PICTURES | faces.PICTURES


def main(names: list[str]) -> int:
    drawings = {"architecture": architecture.main, "chain": chain.main, "distances": distances.main, "gallery": gallery.main}
    for name in names or [*PICTURES, *drawings]:
        if name in drawings:
            drawings[name]()
            continue
        drawn = PICTURES[name]().finished()
        if isinstance(drawn, str):
            path = FOLDER / f"{name}.svg"
            path.write_text(drawn, encoding="utf-8")
        else:
            path = FOLDER / f"{name}.png"
            drawn.save(path, optimize=True)
        print(f"{path.name}: {path.stat().st_size:,} bytes")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
