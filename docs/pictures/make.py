"""Draw the pictures of the pages; those in SVG by architecture.py, chain.py and distances.py.

python docs/pictures/make.py            # all
python docs/pictures/make.py nms fusion # these
"""

from __future__ import annotations

import sys
from pathlib import Path

FOLDER = Path(__file__).resolve().parent
sys.path[:0] = [str(FOLDER), str(FOLDER.parents[1])]

import architecture  # noqa: E402
import chain  # noqa: E402
import convolutions  # noqa: E402
import detectors  # noqa: E402
import distances  # noqa: E402
from PIL import Image  # noqa: E402

import faces  # noqa: E402

PICTURES = convolutions.PICTURES | detectors.PICTURES | faces.PICTURES


def compact(image: Image.Image) -> Image.Image:
    """With 52 instead of 256 shades per channel: no visible difference, and files half as large."""
    return image.point([round(value / 5) * 5 for value in range(256)] * 3)


def main(names: list[str]) -> int:
    drawings = {"architecture": architecture.main, "chain": chain.main, "distances": distances.main}
    for name in names or [*PICTURES, *drawings]:
        if name in drawings:
            drawings[name]()
            continue
        path = FOLDER / f"{name}.png"
        compact(PICTURES[name]()).save(path, optimize=True)
        print(f"{path.name}: {path.stat().st_size:,} bytes")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
