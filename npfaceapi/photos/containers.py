"""Image files as containers: separating the pixels from the metadata.

Pillow reads text, EXIF, XMP, colour profiles and previews together with the pixels, and refuses a file in which they are damaged
or too large.  Here they are removed before Pillow reads the file; only the orientation is kept.
"""

from __future__ import annotations

import io
import re
import shutil
import struct
import zlib
from bisect import bisect_right
from typing import IO, TypeAlias, cast

from npfaceapi.errors import ImageError, InvalidArgument
from npfaceapi.photos import tiff
from npfaceapi.photos.limits import check_size

__all__ = ["pixels_alone"]

_PIECE = 1 << 20  # longer metadata is not read

_Parts: TypeAlias = "list[bytes | tuple[int, int]]"  # bytes, or (start, end) in a file


def pixels_alone(file: IO[bytes], name: str, remarks: list[str]) -> tuple[IO[bytes], int | None]:
    """A file for Pillow that has only the pixels, and the EXIF orientation, 1 to 8.

    If the file has another format, or is too damaged to parse, it is returned unchanged with the orientation None: Pillow has to
    read it.

    Raises
    ------
    ImageError
        If the file needs more memory than `set_max_megapixels` allows, and Pillow would report that too late.
    """
    file.seek(0)
    start = file.read(16)
    try:
        if start.startswith(b"\x89PNG\r\n\x1a\n"):
            parts, orientation = _png(file)
        elif start.startswith(b"\xff\xd8\xff"):
            parts, orientation = _jpeg(file)
        elif start.startswith(b"RIFF") and start[8:12] == b"WEBP":
            parts, orientation = _webp(file, name)
        elif start.startswith((b"II", b"MM")):
            parts, orientation = _tiff(file, name, remarks)
        else:
            if start.startswith((b"\xff\x0a", b"\0\0\0\x0cJXL ")):
                _check_jpeg_xl(file, name)
            return file, None
    except InvalidArgument:
        raise
    except (*tiff.DAMAGE, zlib.error):
        return file, None
    finally:
        file.seek(0)
    return cast("IO[bytes]", _Joined(file, parts)), orientation


class _Joined(io.RawIOBase):
    """A file object that joins parts of a file."""

    def __init__(self, file: IO[bytes], parts: _Parts) -> None:
        self._file, self._parts, self._position = file, parts, 0
        self._ends: list[int] = []
        for part in parts:
            size = len(part) if isinstance(part, bytes) else part[1] - part[0]
            self._ends.append(size + (self._ends[-1] if self._ends else 0))

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        position = offset + {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._ends[-1]}[whence]
        if position < 0:
            raise OSError("negative position in a file")
        self._position = position
        return position

    def read(self, size: int | None = -1) -> bytes:
        """Exactly `size` bytes, fewer only at the end, unlike other raw files."""
        if size is None or size < 0:
            return self.readall()
        data = self._read(size)
        while len(data) < size and (more := self._read(size - len(data))):
            data += more
        return data

    def readall(self) -> bytes:
        whole = io.BytesIO()  # it grows in place
        shutil.copyfileobj(self, whole, _PIECE)
        return whole.getvalue()

    def _read(self, size: int) -> bytes:
        """Up to `size` bytes from one part."""
        i = bisect_right(self._ends, self._position)
        if i == len(self._parts):
            return b""
        part, left = self._parts[i], self._ends[i] - self._position
        if isinstance(part, bytes):
            data = part[len(part) - left :][:size]
        else:
            self._file.seek(part[1] - left)
            data = self._file.read(min(size, left))
        self._position += len(data)
        return data


def _read(file: IO[bytes], position: int, size: int) -> bytes:
    """Exactly `size` bytes; EOFError if there are fewer."""
    file.seek(position)
    data = file.read(size)
    if len(data) < size:
        raise EOFError
    return data


# ------------------------------------------------------------------ PNG


def _png(file: IO[bytes]) -> tuple[_Parts, int]:
    """Keeps critical chunks, and transparency if it is valid; all others are metadata or further frames."""
    end, position = file.seek(0, io.SEEK_END), 8
    # The least number of bytes of transparency, by colour type: gray, RGB, palette.
    transparency = {0: 2, 2: 6, 3: 1}.get(_read(file, 25, 1)[0], _PIECE)
    parts: _Parts = []
    start = 0  # of a run of chunks that are kept
    exif, xmp, kind = b"", b"", b""
    while position + 8 <= end and kind != b"IEND":
        size, kind = struct.unpack(">I4s", _read(file, position, 8))
        after = min(position + 12 + size, end)
        if kind[0] & 0x20:  # ancillary
            said = _said_by(file, size, kind) if kind in (b"tRNS", b"eXIf", b"tEXt", b"zTXt", b"iTXt") else b""
            if not (kind == b"tRNS" and transparency <= len(said) <= 256):
                parts.append((start, position))
                start = after
            if kind == b"eXIf":
                exif = said
            elif kind != b"tRNS" and said:
                key, text = _png_text(kind, said)
                exif = _from_hex(text) if key == b"Raw profile type exif" and not exif else exif
                xmp = text if key == b"XML:com.adobe.xmp" else xmp
        position = after
    parts.append((start, position))
    return parts, tiff.orientation_of(exif, xmp)


def _said_by(file: IO[bytes], size: int, kind: bytes) -> bytes:
    """The data of the chunk at the position of a file; none if it is too long or its checksum is wrong."""
    if size > _PIECE:
        return b""
    data, checksum = file.read(size), file.read(4)
    return data if zlib.crc32(kind + data) == int.from_bytes(checksum, "big") else b""


def _png_text(kind: bytes, data: bytes) -> tuple[bytes, bytes]:
    """Keyword and text of a chunk; no text if its compressed data is damaged."""
    key, _, text = data.partition(b"\0")
    is_packed = kind == b"zTXt" or (kind == b"iTXt" and text[:1] == b"\1")
    text = text[1:] if kind == b"zTXt" else text
    if kind == b"iTXt":
        text = text[2:].partition(b"\0")[2].partition(b"\0")[2]  # skip the language and the translated keyword
    if is_packed:
        try:
            text = zlib.decompressobj().decompress(text, _PIECE)
        except zlib.error:
            text = b""
    return key, text


def _from_hex(text: bytes) -> bytes:
    """The data of a raw profile: three header lines, then hexadecimal digits."""
    try:
        return bytes.fromhex(b"".join(text.split(b"\n")[3:]).decode("ascii"))
    except ValueError:
        return b""


# ------------------------------------------------------------------ JPEG


def _jpeg(file: IO[bytes]) -> tuple[_Parts, int]:
    """Drops comments and application segments before the first scan, except those that determine the colours."""
    end, position = file.seek(0, io.SEEK_END), 2
    parts: _Parts = [b"\xff\xd8"]
    exif, xmp = b"", b""
    while (position := _next_marker(file, position, end)) + 4 <= end:
        marker, size = struct.unpack(">xBH", _read(file, position, 4))
        if marker in (0xD8, 0xD9, 0xDA) or size < 2:  # the first scan begins, or the file is damaged
            break
        after = min(position + 2 + size, end)
        is_about = 0xE0 <= marker <= 0xEF or marker == 0xFE
        data = _read(file, position + 4, after - position - 4) if is_about else b""
        if marker == 0xE1 and data.startswith(b"Exif\0\0"):
            exif += data[6:] if len(exif) < _PIECE else b""
        elif marker == 0xE1 and data.startswith(b"http://ns.adobe.com/xap/1.0/\0"):
            xmp = data
        if not is_about or _tells_of_colours(marker, data):
            parts.append((position, after))
        position = after
    parts.append((min(position, end), end))
    return parts, tiff.orientation_of(exif, xmp)


def _tells_of_colours(marker: int, data: bytes) -> bool:
    """Whether a segment is one of the two by which libjpeg tells RGB from YCbCr."""
    return (marker == 0xE0 and data[:5] == b"JFIF\0" and len(data) >= 14) or (
        marker == 0xEE and data[:5] == b"Adobe" and len(data) >= 12
    )


def _next_marker(file: IO[bytes], position: int, end: int) -> int:
    """The position of the next marker; decoders skip any junk before it."""
    while position < end:
        file.seek(position)
        block = file.read(4096)
        found = re.search(rb"\xff[^\xff\0]", block)
        if found:
            return position + found.start()
        position += max(1, len(block) - 1)
    return end


# ------------------------------------------------------------------ WebP


def _webp(file: IO[bytes], name: str) -> tuple[_Parts, int]:
    """Keeps all chunks except colour profile, EXIF and XMP."""
    end = file.seek(0, io.SEEK_END)
    kind, size, data = struct.unpack("<4sI10s", _read(file, 12, 18))
    if kind == b"VP8X":  # the decoder allocates this canvas before Pillow reports its size
        check_size(name, (int.from_bytes(data[4:7], "little") + 1, int.from_bytes(data[7:10], "little") + 1))
    (whole,) = struct.unpack("<I", _read(file, 4, 4))
    parts: _Parts = []
    said: dict[bytes, bytes] = {}
    position, left_out = 12, 0
    while position + 8 <= min(8 + whole, end):
        kind, size = struct.unpack("<4sI", _read(file, position, 8))
        after = position + 8 + size + (size & 1)
        if kind in (b"ICCP", b"EXIF", b"XMP "):
            left_out += after - position
            said[kind] = file.read(min(size, _PIECE))
        else:
            parts.append((position, min(after, end)))
        position = after
    head = struct.pack("<4sI4s", b"RIFF", max(0, whole - left_out), b"WEBP")
    return [head, *parts], tiff.orientation_of(said.get(b"EXIF", b""), said.get(b"XMP ", b""))


# ------------------------------------------------------------------ TIFF


def _tiff(file: IO[bytes], name: str, remarks: list[str]) -> tuple[_Parts, int]:
    page = tiff.photo_page(file)
    if page.samples > 6:  # Pillow would write to the process's log
        raise ImageError(f"{name}: expected an image of 1 to 6 samples per pixel, got a TIFF file with {page.samples}")
    if page.tile is not None:
        check_size(name, page.tile)
    if page.is_preview:
        width, height = page.size
        remarks.append(
            f"{name}: expected a photo, got a file of which Pillow reads only a preview of {width}x{height}, as of raw files;"
            " used the preview; convert the file to JPEG or TIFF first"
        )
    return page.parts, page.orientation


# ------------------------------------------------------------------ JPEG XL


def _check_jpeg_xl(file: IO[bytes], name: str) -> None:
    """Check the size at the start of the codestream; Pillow's plugins decode the whole image before they report it."""
    bits = int.from_bytes(_read(file, _codestream(file) + 2, 12), "little")

    def take(count: int) -> int:
        nonlocal bits
        value, bits = bits & ((1 << count) - 1), bits >> count
        return value

    def side() -> int:
        return 8 * (take(5) + 1) if is_small else take((9, 13, 18, 30)[take(2)]) + 1

    is_small = take(1)
    height, ratio = side(), take(3)
    over, under = ((0, 1), (1, 1), (12, 10), (4, 3), (3, 2), (16, 9), (5, 4), (2, 1))[ratio]
    check_size(name, (height * over // under if ratio else side(), height))


def _codestream(file: IO[bytes]) -> int:
    """The position of the first codestream: at the start of the file, or in a box."""
    position = 0
    while _read(file, position, 2) != b"\xff\x0a":
        size, kind = struct.unpack(">I4s", _read(file, position, 8))
        if kind in (b"jxlc", b"jxlp"):
            return position + (8 if size != 1 else 16) + (4 if kind == b"jxlp" else 0)
        if size == 1:
            (size,) = struct.unpack(">Q", _read(file, position + 8, 8))
        if size < 8:
            raise ValueError
        position += size
    return position
