"""The directories of TIFF files and of EXIF data, which has the same structure: which page is the photo, and its orientation."""

from __future__ import annotations

import io
import re
import struct
from collections.abc import Iterator
from typing import IO, Any, NamedTuple, TypeAlias

__all__ = ["DAMAGE", "Page", "exif_size", "orientation_of", "photo_page"]

#: The exceptions that a damaged file causes here.
DAMAGE = (struct.error, ValueError, IndexError, EOFError)

_ORIENTATION, _SUB_DIRECTORIES, _XMP, _EXIF, _EXIF_WIDTH, _EXIF_HEIGHT = 274, 330, 700, 34665, 40962, 40963
_SUBFILE, _OLD_SUBFILE, _WIDTH, _HEIGHT, _COMPRESSION, _PHOTOMETRIC, _SAMPLES = 254, 255, 256, 257, 259, 262, 277
_STRIPS, _STRIP_SIZES, _TILE_WIDTH, _TILE_HEIGHT, _TILES, _TILE_SIZES, _OLD_JPEG = 273, 279, 322, 323, 324, 325, 513

#: The tags that determine the pixels of a page: its kind, its encoding, and the position of its data.
_OF_ONE_VALUE = frozenset(
    {_SUBFILE, _OLD_SUBFILE, _WIDTH, _HEIGHT, _COMPRESSION, _PHOTOMETRIC, 266, _SAMPLES, 278, 284, 317, _TILE_WIDTH, _TILE_HEIGHT}
)
_OF_PIXELS = _OF_ONE_VALUE | {
    258, 292, 293, 320, 332, 338, 339, 347, 512, _OLD_JPEG, 514, 515, 517, 518, 519, 520, 521, 529, 530, 531, 532, 50674,
    _STRIPS, _STRIP_SIZES, _TILES, _TILE_SIZES,
}  # fmt: skip
_READABLE = (0, 1, 2, 3, 5, 6, 8)  # colour spaces that Pillow reads; not the sensor mosaic of raw files
_MOST_PAGES = 1000
_MOST_STRIPS = 1 << 20
_INTEGERS = {1: "B", 3: "H", 4: "L", 13: "L", 16: "Q", 18: "Q"}
_BYTES = {3: 2, 4: 4, 5: 8, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8, 17: 8, 18: 8}  # per value of that type; otherwise 1
_XMP_ORIENTATION = re.compile(rb'tiff:Orientation(?:="|>)([0-9])')

_Tags: TypeAlias = "dict[int, tuple[int, int, bytes]]"  # type, count, and the value or its offset


class Page(NamedTuple):
    """A page of a TIFF file."""

    parts: list[bytes | tuple[int, int]]  # of a file with only its pixels: bytes, or (start, end)
    orientation: int
    size: tuple[int, int]  # width, height
    tile: tuple[int, int] | None  # width, height of each tile
    samples: int  # per pixel
    is_preview: bool  # Pillow cannot read the full page


def photo_page(file: IO[bytes]) -> Page:
    """The first page that Pillow can read and that is not a reduced copy of another one, or else the first page."""
    tiff = _Tiff(file)
    pages = tiff.pages()
    position, first = next(pages)
    tags, is_preview = first, False
    for place, page in pages if tiff.is_reduced(first) else ():
        if tiff.is_reduced(page):
            continue
        is_preview = tiff.integer(page, _PHOTOMETRIC) not in _READABLE
        if not is_preview:
            position, tags = place, page
            break
    orientation = tiff.integer(tags, _ORIENTATION) or tiff.integer(first, _ORIENTATION)
    if orientation is None:
        orientation = orientation_of(b"", tiff.data(first, _XMP, 1 << 20))
    width, height = tiff.integer(tags, _TILE_WIDTH), tiff.integer(tags, _TILE_HEIGHT)
    return Page(
        tiff.parts(position, tags),
        orientation,
        (tiff.integer(tags, _WIDTH) or 0, tiff.integer(tags, _HEIGHT) or 0),
        (width, height) if width and height else None,
        tiff.integer(tags, _SAMPLES) or 1,
        is_preview,
    )


def orientation_of(exif: bytes, xmp: bytes) -> int:
    """The orientation of EXIF, or else of XMP; 1 if both are missing or damaged."""
    orientation = _exif_integer(exif, _ORIENTATION)
    if orientation is None and (found := _XMP_ORIENTATION.search(xmp)):
        orientation = int(found[1])
    return 1 if orientation is None else orientation


def exif_size(exif: bytes) -> tuple[int, int] | None:
    """Width and height of the photo as taken, if EXIF has them."""
    for width, height, below in ((_EXIF_WIDTH, _EXIF_HEIGHT, _EXIF), (_WIDTH, _HEIGHT, None)):
        size = _exif_integer(exif, width, below), _exif_integer(exif, height, below)
        if size[0] and size[1]:
            return size[0], size[1]
    return None


def _exif_integer(exif: bytes, tag: int, below: int | None = None) -> int | None:
    """An integer in the directory of EXIF data, or in one that it points to; None if missing or damaged."""
    try:
        tiff = _Tiff(io.BytesIO(re.sub(rb"^(Exif\0\0){1,2}", b"", exif)))
        tags, _ = tiff.directory(tiff.first, cut=True)
        if below is not None:
            tags, _ = tiff.directory(tiff.integer(tags, below) or 0, cut=True)
        return tiff.integer(tags, tag)
    except DAMAGE:
        return None


class _Tiff:
    """A TIFF file, read on demand."""

    def __init__(self, file: IO[bytes]) -> None:
        self.file, self.end = file, file.seek(0, io.SEEK_END)
        self.head = self.read(0, 8)
        if self.head[:2] not in (b"II", b"MM") or self.head[2:4] not in (b"*\0", b"\0*", b"+\0", b"\0+"):
            raise ValueError
        self.order = "<" if self.head[:2] == b"II" else ">"
        self.big = self.head[2] == 43
        self.number, self.entry, self.word = ("Q", "HHQ8s", "Q") if self.big else ("H", "HHL4s", "L")
        if self.big:
            self.head = self.read(0, 16)
        (self.first,) = self.unpack(self.word, self.head[-self.size(self.word) :])

    def read(self, position: int, size: int) -> bytes:
        if position >= self.end:
            raise EOFError
        self.file.seek(position)
        return self.file.read(size)

    def size(self, layout: str) -> int:
        return struct.calcsize("<" + layout)

    def unpack(self, layout: str, data: bytes) -> tuple[Any, ...]:
        return struct.unpack(self.order + layout, data)

    def pack(self, layout: str, *values: Any) -> bytes:
        return struct.pack(self.order + layout, *values)

    def directory(self, position: int, *, cut: bool = False) -> tuple[_Tags, int]:
        """The tags of a directory, and the offset of the next one or 0; if `cut`, a truncated directory is accepted."""
        (count,) = self.unpack(self.number, self.read(position, self.size(self.number)))
        if count > 65535:
            raise ValueError
        step = self.size(self.entry)
        data = self.file.read(count * step)
        tags: _Tags = {}
        for i in range(min(count, len(data) // step) if cut else count):
            tag, kind, number, value = self.unpack(self.entry, data[i * step : (i + 1) * step])
            tags.setdefault(tag, (kind, number, value))
        after = self.file.read(self.size(self.word))
        return tags, self.unpack(self.word, after)[0] if len(after) == self.size(self.word) else 0

    def pages(self) -> Iterator[tuple[int, _Tags]]:
        """Offset and tags of each page, then of those in the first page's subdirectories, where cameras may store the photo."""
        tags, after = self.directory(self.first)
        yield self.first, tags
        below, seen = self.integers(tags, _SUB_DIRECTORIES, 16), {0, self.first}
        for _ in range(_MOST_PAGES):
            if after in seen:
                if not below:
                    return
                after = below.pop(0)
                continue
            position = after
            seen.add(position)
            try:
                tags, after = self.directory(position)
            except DAMAGE:
                continue
            yield position, tags

    def is_reduced(self, tags: _Tags) -> bool:
        """Whether a page is a reduced copy of another one, or a mask for it."""
        return bool((self.integer(tags, _SUBFILE) or 0) & 5) or self.integer(tags, _OLD_SUBFILE) == 2

    def data(self, tags: _Tags, tag: int, most: int) -> bytes:
        """The first bytes of a tag's value; none if it is outside the file."""
        if tag not in tags:
            return b""
        kind, count, value = tags[tag]
        size = count * _BYTES.get(kind, 1)
        if size > len(value):
            (place,) = self.unpack(self.word, value)
            value = self.read(place, min(size, most)) if place + size <= self.end else b""
        return value[: min(size, most)]

    def integers(self, tags: _Tags, tag: int, most: int) -> list[int]:
        """The first values of a tag; none if it is missing or not of an integer type."""
        code = _INTEGERS.get(tags[tag][0]) if tag in tags else None
        if code is None:
            return []
        data = self.data(tags, tag, most * self.size(code))
        count = len(data) // self.size(code)
        return list(self.unpack(f"{count}{code}", data[: count * self.size(code)]))

    def integer(self, tags: _Tags, tag: int) -> int | None:
        return next(iter(self.integers(tags, tag, 1)), None)

    def parts(self, position: int, tags: _Tags) -> list[bytes | tuple[int, int]]:
        """A file with this page alone and only the tags that determine its pixels, so the directory is shorter."""
        entries = []
        for tag, (kind, count, value) in tags.items():
            if tag in _OF_ONE_VALUE and 1 < count * _BYTES.get(kind, 1) <= len(value):
                count = 1  # Pillow would take the first of several, and warn
            if tag in _OF_PIXELS:
                entries.append(self.pack(self.entry, tag, kind, count, value))
        head = self.head[: -self.size(self.word)] + self.pack(self.word, position)
        directory = self.pack(self.number, len(entries)) + b"".join(entries) + self.pack(self.word, 0)
        after = position + len(directory)
        if position < len(head):
            raise ValueError
        return [head, (len(head), position), directory, (after, max(after, self._end_of(tags)))]

    def _end_of(self, tags: _Tags) -> int:
        """An upper bound on the end of a page's data: libtiff gets everything before it."""
        strips, sizes = (_TILES, _TILE_SIZES) if _TILES in tags else (_STRIPS, _STRIP_SIZES)
        starts, lengths = self.integers(tags, strips, _MOST_STRIPS), self.integers(tags, sizes, _MOST_STRIPS)
        known = 0 < len(starts) == len(lengths) == tags[strips][1] and all(lengths) and _OLD_JPEG not in tags
        if self.integer(tags, _COMPRESSION) in (None, 1) or not known:
            return self.end
        end = max(start + length for start, length in zip(starts, lengths, strict=True))
        for tag, (kind, count, value) in tags.items():
            if tag in _OF_PIXELS and (size := count * _BYTES.get(kind, 1)) > len(value):
                end = max(end, self.unpack(self.word, value)[0] + size)
        return min(end, self.end)
