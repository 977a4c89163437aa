"""Metadata, even large or damaged, never changes the pixels; only the orientation is read."""

from __future__ import annotations

import io
import struct
import warnings
import zlib
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageOps, PngImagePlugin

from npfaceapi.errors import ImageError
from npfaceapi.photos.loading import load_image

PIXELS = np.random.default_rng(13).integers(0, 256, (24, 40, 3), dtype=np.uint8)
TURNED = np.ascontiguousarray(np.rot90(PIXELS, -1))  # what orientation 6 asks for
EXIF = Image.Exif()
EXIF[0x0112] = 6


def encode(kind: str, image: Image.Image | None = None, **options: Any) -> bytes:
    file = io.BytesIO()
    if kind == "WEBP":
        options["lossless"] = True
    (image or Image.fromarray(PIXELS)).save(file, kind, **options)
    return file.getvalue()


def pixels_of(data: bytes) -> np.ndarray:
    with Image.open(io.BytesIO(data)) as image:
        return np.asarray(image.convert("RGB"))


# ------------------------------------------------------------------ PNG


def chunk(kind: bytes, data: bytes, crc: int | None = None) -> bytes:
    crc = zlib.crc32(kind + data) if crc is None else crc
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", crc)


MUCH = zlib.compress(b"x" * 3_000_000)
PNG_CHUNKS = {
    "zTXt, long": chunk(b"zTXt", b"workflow\0\0" + MUCH),
    "iTXt, long": chunk(b"iTXt", b"workflow\0\1\0\0\0" + MUCH),
    "zTXt, damaged": chunk(b"zTXt", b"a\0\0nonsense"),
    "zTXt, another compression": chunk(b"zTXt", b"a\0\7nonsense"),
    "zTXt, empty": chunk(b"zTXt", b""),
    "tEXt, wrong checksum": chunk(b"tEXt", b"a\0b", 1),
    "iTXt, not UTF-8": chunk(b"iTXt", b"a\0\0\0\xff\0\xff\0\xff"),
    "iCCP, long": chunk(b"iCCP", b"p\0\0" + MUCH),
    "iCCP, damaged": chunk(b"iCCP", b"p\0\0nonsense"),
    "iCCP, another compression": chunk(b"iCCP", b"p\0\7nonsense"),
    "iCCP, empty": chunk(b"iCCP", b""),
    "eXIf, damaged": chunk(b"eXIf", b"II*\0\xff\xff\xff\xff"),
    "eXIf, wrong checksum": chunk(b"eXIf", EXIF.tobytes()[6:], 1),
    "gAMA, short": chunk(b"gAMA", b"\0"),
    "cHRM, short": chunk(b"cHRM", b"\0"),
    "sRGB, empty": chunk(b"sRGB", b""),
    "pHYs, short": chunk(b"pHYs", b"\0"),
    "acTL, short": chunk(b"acTL", b"\0"),
    "acTL, no frames": chunk(b"acTL", bytes(8)),
    "fcTL, short": chunk(b"fcTL", b"\0"),
    "fcTL, too large": chunk(b"fcTL", struct.pack(">5I", 0, 5000, 5000, 0, 0) + bytes(6)),
    "a private one, wrong checksum": chunk(b"prVt", b"abc", 1),
    "tRNS, wrong checksum": chunk(b"tRNS", struct.pack(">3H", *PIXELS[0, 0]), 1),
    "tRNS, short": chunk(b"tRNS", b"\0"),
}


def png_with(extra: bytes, where: str) -> bytes:
    data = encode("PNG")
    at = {"first": 33, "last": len(data) - 12, "before the pixels": data.index(b"IDAT") - 4}[where]
    return data[:at] + extra + data[at:]


@pytest.mark.slow_after(20)
@pytest.mark.parametrize("action", ["ignore", "error"])
@pytest.mark.parametrize("where", ["first", "last"])
@pytest.mark.parametrize("kind", PNG_CHUNKS)
def test_png(kind: str, where: str, action: Any) -> None:
    data = png_with(PNG_CHUNKS[kind], where)
    with warnings.catch_warnings():
        warnings.simplefilter(action)
        np.testing.assert_array_equal(load_image(data), PIXELS)
        if where == "last" and "tRNS" not in kind and kind != "eXIf, wrong checksum":  # those Pillow takes as they are
            with Image.open(io.BytesIO(data)) as image:
                np.testing.assert_array_equal(load_image(image), PIXELS)


def test_a_png_that_ends_in_its_metadata() -> None:
    data = png_with(PNG_CHUNKS["zTXt, long"], "last")
    np.testing.assert_array_equal(load_image(data[:-30]), PIXELS)
    with pytest.raises(ImageError):
        load_image(data[: data.index(b"zTXt") - 50])  # it ends in its pixels


def test_many_texts_in_a_png() -> None:
    """More than Pillow's limit of 64 MiB."""
    np.testing.assert_array_equal(
        load_image(png_with(chunk(b"zTXt", b"a\0\0" + zlib.compress(b"x" * 10**6)) * 70, "first")), PIXELS
    )


@pytest.mark.parametrize("extra", ["zTXt, long", "iCCP, long", "tEXt, wrong checksum", "gAMA, short"])
def test_the_orientation_of_a_png_beside_damage(extra: str) -> None:
    exif = chunk(b"eXIf", EXIF.tobytes()[6:])
    for chunks in (exif + PNG_CHUNKS[extra], PNG_CHUNKS[extra] + exif):
        np.testing.assert_array_equal(load_image(png_with(chunks, "first")), TURNED)


def test_exif_in_a_text_of_a_png() -> None:
    """As ImageMagick writes it."""
    text = f"\nexif\n{len(EXIF.tobytes()):8}\n{EXIF.tobytes().hex()}\n".encode()
    for data in (
        chunk(b"tEXt", b"Raw profile type exif\0" + text),
        chunk(b"zTXt", b"Raw profile type exif\0\0" + zlib.compress(text)),
    ):
        np.testing.assert_array_equal(load_image(png_with(data, "first")), TURNED)
        np.testing.assert_array_equal(load_image(png_with(data.replace(b"exif\0", b"EXIF\0", 1), "first")), PIXELS)


def test_the_first_frame_of_a_png_is_its_own_image() -> None:
    frames = [Image.new("RGB", (6, 4), color) for color in ("red", "lime")]
    for default in (False, True):
        data = encode("PNG", frames[0], save_all=True, append_images=frames[1:], default_image=default)
        assert (load_image(data) == (255, 0, 0)).all()


# ------------------------------------------------------------------ JPEG


def segment(marker: int, data: bytes) -> bytes:
    return struct.pack(">BBH", 0xFF, marker, len(data) + 2) + data


def jpeg_with(extra: bytes, **options: Any) -> bytes:
    data = encode("JPEG", quality=95, **options)
    return data[:2] + extra + data[2:]


MPF = b"MPF\0MM\0*\0\0\0\x08"
JPEG_SEGMENTS = {
    "JFIF, short": segment(0xE0, b"JFIF\0\1"),
    "JFIF, shorter": segment(0xE0, b"JFIF"),
    "EXIF, damaged": segment(0xE1, b"Exif\0\0II*\0\x08\0\0\0\xff\xff" + bytes(50)),
    "EXIF, no TIFF": segment(0xE1, b"Exif\0\0nonsense"),
    "EXIF, empty": segment(0xE1, b"Exif\0\0"),
    "EXIF, endless": segment(0xE1, b"Exif\0\0II*\0\x08\0\0\0\0\0\x08\0\0\0"),
    "EXIF, resolution of no number": segment(
        0xE1, b"Exif\0\0II*\0\x08\0\0\0\2\0" + struct.pack("<HHLLHHLL", 0x11A, 5, 1, 38, 0x128, 2, 1, 0) + bytes(12)
    ),
    "XMP, long": segment(0xE1, b"http://ns.adobe.com/xap/1.0/\0" + b"<" * 65000) * 30,
    "profile, pieces missing": segment(0xE2, b"ICC_PROFILE\0\3\5" + bytes(9)),
    "profile, short": segment(0xE2, b"ICC_PROFILE\0"),
    "profile, long": segment(0xE2, b"ICC_PROFILE\0\1\1" + bytes(65000)) * 200,
    "MPF, damaged": segment(0xE2, MPF + b"\xff\xff"),
    "MPF, empty": segment(0xE2, b"MPF\0"),
    "MPF, no frames": segment(0xE2, MPF + b"\0\2" + struct.pack(">HHLLHHLL", 0xB001, 4, 1, 9, 0xB002, 7, 3, 0) + bytes(4)),
    "Photoshop, damaged": segment(0xED, b"Photoshop 3.0\x008BIM\3\xed\0\0\0\0\0\1\0"),
    "Adobe, short": segment(0xEE, b"Adobe"),
    "FlashPix": segment(0xE2, b"FPXR\0"),
    "comment, not text": segment(0xFE, bytes(range(256))),
}


@pytest.mark.slow_after(20)
@pytest.mark.parametrize("action", ["ignore", "error"])
@pytest.mark.parametrize("kind", JPEG_SEGMENTS)
def test_jpeg(kind: str, action: Any) -> None:
    expected = pixels_of(encode("JPEG", quality=95))
    with warnings.catch_warnings():
        warnings.simplefilter(action)
        np.testing.assert_array_equal(load_image(jpeg_with(JPEG_SEGMENTS[kind])), expected)
        turned = load_image(jpeg_with(segment(0xE1, EXIF.tobytes()) + JPEG_SEGMENTS[kind]))
    np.testing.assert_array_equal(turned, np.rot90(expected, -1))


def test_junk_between_the_segments_of_a_jpeg() -> None:
    data = encode("JPEG", quality=95)
    junk = jpeg_with(segment(0xFE, b"comment") + b"\0\1\2\xff\0\3" + bytes(9000) + segment(0xE1, EXIF.tobytes()) + b"\xff\xff")
    np.testing.assert_array_equal(load_image(junk), np.rot90(pixels_of(data), -1))


def test_jpeg_segments_that_decide_on_colours_stay() -> None:
    rgb = Image.fromarray(PIXELS)
    for kind, image in (("RGB", rgb), ("CMYK", rgb.convert("CMYK")), ("L", rgb.convert("L"))):
        data = encode("JPEG", image, quality=95, **({"keep_rgb": True} if kind == "RGB" else {}))
        np.testing.assert_array_equal(load_image(data), pixels_of(data))


def test_a_jpeg_with_an_exif_of_two_segments() -> None:
    exif = Image.Exif()
    exif[0x010E] = "x" * 60000  # a description before the orientation's directory ends
    exif[0x0112] = 6
    data = exif.tobytes()
    parts = segment(0xE1, data[:50000]) + segment(0xE1, b"Exif\0\0" + data[50000:])
    np.testing.assert_array_equal(load_image(jpeg_with(parts)), np.rot90(pixels_of(encode("JPEG", quality=95)), -1))


# ------------------------------------------------------------------ WebP and TIFF


def riff(*chunks: tuple[bytes, bytes]) -> bytes:
    body = b"WEBP" + b"".join(kind + struct.pack("<L", len(data)) + data + b"\0" * (len(data) & 1) for kind, data in chunks)
    return b"RIFF" + struct.pack("<L", len(body)) + body


WEBP_CHUNKS: dict[str, tuple[bytes, bytes]] = {
    "EXIF, damaged": (b"EXIF", b"II*\0\xff\xff\xff\xff"),
    "EXIF, empty": (b"EXIF", b""),
    "XMP, long": (b"XMP ", b"<" * 5_000_000),
    "profile, damaged": (b"ICCP", b"nonsense"),
}


@pytest.mark.parametrize("kind", WEBP_CHUNKS)
@pytest.mark.parametrize("flags", [0, 0b101100])
def test_webp(kind: str, flags: int) -> None:
    frame = encode("WEBP")[12:]
    canvas = bytes((flags, 0, 0, 0)) + struct.pack("<L", PIXELS.shape[1] - 1)[:3] + struct.pack("<L", PIXELS.shape[0] - 1)[:3]
    image = (frame[:4], frame[8 : 8 + struct.unpack("<L", frame[4:8])[0]])
    exif = (b"EXIF", EXIF.tobytes()[6:])
    for chunks, expected in (
        ([image, WEBP_CHUNKS[kind]], PIXELS),
        ([WEBP_CHUNKS[kind], image], PIXELS),
        ([image, exif], TURNED),
        ([WEBP_CHUNKS["profile, damaged"], image, exif], TURNED),
    ):
        np.testing.assert_array_equal(load_image(riff((b"VP8X", canvas), *chunks)), expected)


def test_a_webp_that_ends_in_its_metadata() -> None:
    data = encode("WEBP", exif=EXIF.tobytes() + bytes(5000))
    np.testing.assert_array_equal(load_image(data), TURNED)
    load_image(data[:-4000])
    with pytest.raises(ImageError):
        load_image(data[:500])


def tiff_with(extra: list[tuple[int, int, int, bytes]], **options: Any) -> bytes:
    """A TIFF file of Pillow's with more tags: number, type, count, and value or place."""
    data = encode("TIFF", **options)
    (at,) = struct.unpack_from("<L", data, 4)
    (count,) = struct.unpack_from("<H", data, at)
    entries = [data[at + 2 + i * 12 : at + 14 + i * 12] for i in range(count)]
    entries = sorted(entries + [struct.pack("<HHL", *tag[:3]) + tag[3] for tag in extra], key=lambda entry: entry[:2][::-1])
    directory = struct.pack("<H", len(entries)) + b"".join(entries) + bytes(4)
    data += b"\0" * (len(data) & 1)
    return data[:4] + struct.pack("<L", len(data)) + data[8:] + directory


FAR = struct.pack("<L", 10**9)
TIFF_TAGS: dict[str, list[tuple[int, int, int, bytes]]] = {
    "text outside of the file": [(270, 2, 5000, FAR), (305, 2, 5000, FAR)],
    "text of 4 GB": [(270, 2, 0xFFFFFFFF, FAR)],
    "resolution is a text": [(282, 2, 4, b"abc\0"), (283, 2, 4, b"abc\0"), (296, 3, 1, b"\3\0\0\0")],
    "EXIF outside of the file": [(34665, 4, 1, FAR)],
    "EXIF in the middle of the pixels": [(34665, 4, 1, struct.pack("<L", 100))],
    "GPS in the middle of the pixels": [(34853, 4, 1, struct.pack("<L", 100))],
    "profile outside of the file": [(34675, 7, 5000, FAR)],
    "XMP is a number": [(700, 3, 1, b"\1\0\0\0")],
    "Photoshop, outside": [(34377, 7, 5000, FAR)],
    "the orientation is a text": [(274, 2, 4, b"abc\0")],
    "an unknown tag": [(65000, 99, 7, FAR)],
}


@pytest.mark.slow_after(30)
@pytest.mark.parametrize("action", ["ignore", "error"])
@pytest.mark.parametrize("compression", [None, "tiff_lzw", "tiff_adobe_deflate", "packbits"])
@pytest.mark.parametrize("kind", TIFF_TAGS)
def test_tiff(kind: str, compression: str | None, action: Any) -> None:
    data = tiff_with(TIFF_TAGS[kind], compression=compression)
    with warnings.catch_warnings():
        warnings.simplefilter(action)
        np.testing.assert_array_equal(load_image(data), PIXELS)


@pytest.mark.parametrize("kind", ["EXIF in the middle of the pixels", "GPS in the middle of the pixels"])
def test_an_open_tiff(kind: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what Pillow says when it opens it
        with Image.open(io.BytesIO(tiff_with(TIFF_TAGS[kind]))) as image:
            np.testing.assert_array_equal(load_image(image), PIXELS)


@pytest.mark.parametrize("compression", [None, "tiff_lzw"])
@pytest.mark.parametrize("big", [False, True])
def test_a_tiff_of_several_pages_and_the_orientation_of_each(compression: str | None, big: bool) -> None:
    second = Image.new("RGB", (50, 60))
    second.info["exif"] = b""
    data = encode("TIFF", compression=compression, exif=EXIF, save_all=True, append_images=[second], big_tiff=big)
    np.testing.assert_array_equal(load_image(data), TURNED)


def test_libtiff_is_given_what_belongs_to_the_page() -> None:
    """A file of many pages is not read whole for its first one."""
    from npfaceapi.photos.containers import pixels_alone

    noise = [Image.fromarray(np.random.default_rng(i).integers(0, 256, (200, 200, 3), dtype=np.uint8)) for i in range(8)]
    data = encode("TIFF", noise[0], compression="tiff_lzw", save_all=True, append_images=noise[1:])
    file, _ = pixels_alone(io.BytesIO(data), "photo", [])
    assert len(file.read()) < len(data) / 6
    np.testing.assert_array_equal(load_image(data), np.asarray(noise[0]))


def of_cuts(whole: bytes) -> Iterator[Any]:
    """The pixels of every prefix of a file that can be read."""
    for length in range(0, len(whole), 7):
        with suppress(ImageError):
            yield load_image(whole[:length])


@pytest.mark.slow_after(3)
@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "TIFF"])
@pytest.mark.parametrize("options", [{}, {"exif": EXIF}])
def test_no_cut_gives_other_pixels(kind: str, options: dict[str, Any]) -> None:
    """However short the file, no byte that replaces metadata is taken for a pixel."""
    whole = encode(kind, **options)
    pixels = load_image(whole)
    for got in of_cuts(whole):
        np.testing.assert_array_equal(np.sort(got, axis=None), np.sort(pixels, axis=None))


@pytest.mark.slow_after(1)
@pytest.mark.parametrize("compression", ["tiff_lzw", "packbits", "tiff_adobe_deflate", "jpeg"])
def test_no_cut_of_a_tiff_does(compression: str) -> None:
    whole = encode("TIFF", compression=compression, exif=EXIF)
    pixels = load_image(whole)
    for got in of_cuts(whole):
        np.testing.assert_array_equal(got, pixels)


# ------------------------------------------------------------------ the orientation


def by_pillow(data: bytes) -> np.ndarray:
    with Image.open(io.BytesIO(data)) as image:
        return np.asarray(ImageOps.exif_transpose(image).convert("RGB"))


XMP = '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:Description tiff:Orientation="{}"/></x:xmpmeta>'


@pytest.mark.parametrize("orientation", [*range(1, 9), 0, 9])
@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "TIFF"])
def test_orientation_as_pillow_applies_it(kind: str, orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = encode(kind, exif=exif)
    np.testing.assert_array_equal(load_image(data), by_pillow(data))


@pytest.mark.parametrize("orientation", [1, 3, 6])
@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "TIFF"])
def test_orientation_in_xmp_where_exif_has_none(kind: str, orientation: int) -> None:
    xmp = XMP.format(orientation)
    options: dict[str, Any] = {"xmp": xmp.encode()}
    if kind == "PNG":
        info = PngImagePlugin.PngInfo()
        info.add_itxt("XML:com.adobe.xmp", xmp)
        options = {"pnginfo": info}
    elif kind == "JPEG":
        options = {"extra": segment(0xE1, b"http://ns.adobe.com/xap/1.0/\0" + xmp.encode())}
    elif kind == "TIFF":
        options = {"tiffinfo": {700: xmp.encode()}}
    data = encode(kind, **options)
    np.testing.assert_array_equal(load_image(data), np.rot90(pixels_of(encode(kind)), {1: 0, 3: 2, 6: -1}[orientation]))


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize(("kind", "layout"), [(1, "Bxxx"), (3, "Hxx"), (4, "L")])
def test_orientation_of_any_integer_type(order: str, kind: int, layout: str) -> None:
    mark = b"II*\0" if order == "<" else b"MM\0*"
    exif = mark + struct.pack(f"{order}LHHHL{layout}L", 8, 1, 0x0112, kind, 1, 6, 0)
    np.testing.assert_array_equal(load_image(png_with(chunk(b"eXIf", exif), "first")), TURNED)


DAMAGED_EXIF: dict[str, bytes] = {
    "a text": struct.pack("<LHHHL4sL", 8, 1, 0x0112, 2, 2, b"6\0\0\0", 0),
    "outside of the file": struct.pack("<LHHHLLL", 8, 1, 0x0112, 4, 5, 10**9, 0),
    "the directory is outside": struct.pack("<L", 10**9),
    "the directory is in the header": struct.pack("<L", 0),
    "cut": struct.pack("<LHHH", 8, 1, 0x0112, 3),
    "no directory": b"",
}


@pytest.mark.parametrize("make", [lambda e: png_with(chunk(b"eXIf", e), "first"), lambda e: riff_with(e)], ids=["PNG", "WebP"])
@pytest.mark.parametrize("kind", DAMAGED_EXIF)
def test_damaged_exif_counts_as_none(make: Callable[[bytes], bytes], kind: str) -> None:
    np.testing.assert_array_equal(load_image(make(b"II*\0" + DAMAGED_EXIF[kind])), PIXELS)


def riff_with(exif: bytes) -> bytes:
    frame = encode("WEBP")[12:]
    canvas = bytes(4) + struct.pack("<L", PIXELS.shape[1] - 1)[:3] + struct.pack("<L", PIXELS.shape[0] - 1)[:3]
    return riff((b"VP8X", canvas), (frame[:4], frame[8 : 8 + struct.unpack("<L", frame[4:8])[0]]), (b"EXIF", exif))
