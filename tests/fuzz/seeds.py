"""Seed inputs of the mutations: small photos of every format that Pillow writes here, and the files of a small network."""

from __future__ import annotations

import functools
import io
import json
from typing import Any

import numpy as np
from PIL import Image, features
from PIL.PngImagePlugin import PngInfo

from helpers import ROOT

GOLDEN = ROOT / "golden" / "images"


@functools.cache
def photos() -> tuple[bytes, ...]:
    """Pictures of 40x30 pixels."""
    rng = np.random.default_rng(0)
    smooth = np.linspace(0, 255, 40 * 30 * 3).reshape(30, 40, 3)
    rgb = Image.fromarray((smooth * 0.8 + rng.random((30, 40, 3)) * 50).clip(0, 255).astype(np.uint8))
    rgba = rgb.copy()
    rgba.putalpha(rgb.convert("L"))
    exif = Image.Exif()
    exif[0x0112], exif[0x010F], exif[0x8769] = 6, "maker", {0x9003: "2020:01:01 00:00:00"}
    info = PngInfo()
    info.add_text("Comment", "text")
    info.add_text("workflow", "x" * 1000, zip=True)
    info.add_itxt("XML:com.adobe.xmp", "<x/>")
    cmyk, palette, gray = rgb.convert("CMYK"), rgb.quantize(16), rgb.convert("L")
    deep = Image.fromarray((np.arange(1200).reshape(30, 40) * 54).astype(np.uint16))
    floats = Image.fromarray(np.linspace(0, 255, 1200, dtype=np.float32).reshape(30, 40))
    written: list[tuple[Image.Image, str, dict[str, Any]]] = [
        (rgb, "JPEG", {}), (rgb, "JPEG", {"progressive": True, "exif": exif}),
        (cmyk, "JPEG", {}), (gray, "JPEG", {"quality": 10}),
        (rgb, "JPEG", {"icc_profile": b"profile" * 50, "comment": b"x", "restart_marker_blocks": 2}),
        (rgb, "PNG", {"pnginfo": info, "exif": exif}), (rgba, "PNG", {}), (palette, "PNG", {"transparency": 3}),
        (gray, "PNG", {}),
        (rgb.convert("1"), "PNG", {}), (rgba.convert("LA"), "PNG", {}), (deep, "PNG", {"icc_profile": b"profile" * 50}),
        (rgb, "PNG", {"save_all": True, "append_images": [gray.convert("RGB")]}),
        (palette, "GIF", {}), (rgb, "GIF", {"save_all": True, "append_images": [rgba], "transparency": 0}),
        (rgb, "BMP", {}), (palette, "BMP", {}), (rgba, "BMP", {}), (rgb, "TGA", {"compression": "tga_rle"}), (rgba, "TGA", {}),
        (rgb, "PPM", {}), (gray, "PPM", {}), (rgb.convert("1"), "PPM", {}),
        (rgb, "PCX", {}), (rgb, "SGI", {}),
        (floats, "TIFF", {}), (deep, "TIFF", {}), (rgba, "TIFF", {"compression": "tiff_lzw"}), (cmyk, "TIFF", {}),
        (rgb.convert("LAB"), "TIFF", {}), (rgb, "TIFF", {"compression": "tiff_deflate"}),
        (rgb, "TIFF", {"compression": "jpeg"}), (rgb.convert("1"), "TIFF", {"compression": "group4"}),
        (rgb, "TIFF", {"save_all": True, "append_images": [gray]}), (rgb, "MPO", {"save_all": True, "append_images": [rgb]}),
        (rgb, "WEBP", {}), (rgba, "WEBP", {"lossless": True, "exif": exif}),
        (rgb, "WEBP", {"save_all": True, "append_images": [rgba]}),
        (rgb, "JPEG2000", {}), (rgba, "JPEG2000", {"irreversible": True}),
        (rgb, "AVIF", {}), (rgb, "QOI", {}),
    ]  # fmt: skip
    found = []
    for image, form, options in written:
        library = {"WEBP": "webp", "AVIF": "avif", "JPEG2000": "jpg_2000"}.get(form)
        if library in (*features.modules, *features.codecs) and not features.check(library):
            continue
        file = io.BytesIO()
        try:
            image.save(file, form, **options)
        except (OSError, KeyError, ValueError):  # this Pillow does not write it
            continue
        found.append(file.getvalue())
    assert len(found) > 30
    return tuple(found)


@functools.cache
def manifests() -> tuple[bytes, ...]:
    """Files of two networks."""
    return tuple((ROOT / "weights" / f"{name}-weights_manifest.json").read_bytes() for name in SMALL_MODELS)


SMALL_MODELS = ("face_landmark_68_tiny_model", "tiny_face_detector_model")


@functools.cache
def shard() -> bytes:
    return (ROOT / "weights" / f"{SMALL_MODELS[0]}-shard1").read_bytes()


@functools.cache
def matchers() -> tuple[bytes, ...]:
    """JSON of matchers, and of one person."""
    person = {"label": "Ann", "descriptors": [[0.1, -0.2, 0.3], [0.5, 1e-7, 0.0]]}
    other = {"label": "B\u00e9la \ud83d\ude00", "descriptors": [[1, 2, 3]]}
    return tuple(
        json.dumps(value).encode() for value in ({"distanceThreshold": 0.6, "labeledDescriptors": [person, other]}, person)
    )


@functools.cache
def golden() -> tuple[bytes, ...]:
    """A few golden cases of each level."""
    whole = json.loads((ROOT / "golden" / "cases.json").read_bytes())
    by_level: dict[str, list[Any]] = {}
    for case in whole["cases"]:
        by_level.setdefault(case.get("level") or case.get("kind") or case["name"].split("/")[0], []).append(case)
    whole["cases"] = [case for cases in by_level.values() for case in cases[:1]]
    return (json.dumps(whole).encode(),)


@functools.cache
def answers() -> tuple[bytes, ...]:
    """Responses of a server."""
    body = photos()[0]
    chunked = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in (body[:100], body[100:])) + b"0\r\n\r\n"
    return (
        b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\nContent-Type: image/jpeg\r\n\r\n%s" % (len(body), body),
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunked,
        b"HTTP/1.0 200 OK\r\n\r\n" + body,
        b"HTTP/1.1 302 Found\r\nLocation: /other\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\nno",
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nX: " + b"y" * 3000 + b"\r\nContent-Length: 3\r\n\r\nabc",
    )
