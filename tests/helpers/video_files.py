"""Small videos of coloured squares, which stand for faces, and a function that finds them."""

from __future__ import annotations

import struct
from fractions import Fraction

import numpy as np

from npfaceapi import FaceDetection, FaceResult

RED, GREEN, BLUE = (230, 20, 20), (20, 200, 20), (20, 20, 230)
PEOPLE = (RED, GREEN, BLUE)
SIZE = 96, 64  # width, height
SIDE = 16


def picture(*squares, size=SIZE):
    """Pixels [H,W,3] with squares: (colour, x, y) or (colour, x, y, side)."""
    pixels = np.full((size[1], size[0], 3), 128, np.uint8)
    for color, x, y, *side in squares:
        far = side[0] if side else SIDE
        pixels[max(0, y) : max(0, y + far), max(0, x) : max(0, x + far)] = color
    return pixels


def write_video(path, pictures, times=None, rate=10, codec="h264", sound=None, format=None, options=None, preset="ultrafast"):
    """Write a video; `times` are milliseconds, by default by the rate; `sound` is a codec; returns the path."""
    import av

    with av.open(str(path), "w", format=format, options=options or {}) as container:
        video = container.add_stream(codec, rate=rate)
        video.height, video.width = pictures[0].shape[:2]
        video.pix_fmt = "yuv420p"
        video.codec_context.time_base = Fraction(1, 1000)
        video.codec_context.gop_size = 5
        if codec == "h264":
            video.options = {"crf": "10", "preset": preset}
        audio = container.add_stream(sound, rate=44100) if sound else None
        if audio:
            audio.codec_context.format = "fltp" if sound == "aac" else "s16"
        for number, pixels in enumerate(pictures):
            frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
            frame.pts, frame.time_base = (times[number] if times else number * 1000 // rate), Fraction(1, 1000)
            container.mux(video.encode(frame))
        container.mux(video.encode(None))
        if audio:
            _write_sound(container, audio, len(pictures) / rate)
    return path


def _write_sound(container, audio, seconds):
    import av

    sound = np.sin(np.arange(1024, dtype=np.float32) / 5)[None]
    for number in range(int(seconds * 44100 / 1024)):
        kind = audio.codec_context.format.name
        samples = sound if kind.startswith("flt") else (sound * 20000).astype(np.int16)
        frame = av.AudioFrame.from_ndarray(samples, format=kind, layout="mono")
        frame.sample_rate, frame.pts, frame.time_base = 44100, number * 1024, Fraction(1, 44100)
        container.mux(audio.encode(frame))
    container.mux(audio.encode(None))


def set_matrix(path, a, b, c, d):
    """Change the display matrix of an MP4's first track: a pixel at (x, y) is shown at (a x + c y, b x + d y)."""
    data = bytearray(path.read_bytes())
    at = data.index(b"tkhd") + 4 + 40
    one = 1 << 16
    data[at : at + 36] = struct.pack(">9i", a * one, b * one, 0, c * one, d * one, 0, 0, 0, 1 << 30)
    path.write_bytes(data)


def read_video(path):
    """Times, pixels, and the audio packets of a video, as PyAV alone reads them."""
    import av

    with av.open(str(path)) as container:
        frames = [(frame.time, frame.to_ndarray(format="rgb24")) for frame in container.decode(video=0)]
    with av.open(str(path)) as container:
        packets = [
            (float(packet.pts * packet.time_base), bytes(packet))
            for packet in container.demux(*container.streams.audio[:1])
            if container.streams.audio and packet.size
        ]
    return [time for time, _ in frames], [pixels for _, pixels in frames], packets


def find_squares(pixels, described=True):
    """The squares in a picture as faces whose descriptors say the colour; a smaller one has a lower score."""
    H, W = pixels.shape[:2]
    faces = []
    for person, color in enumerate(PEOPLE):
        rows, columns = np.nonzero(np.abs(pixels.astype(int) - color).sum(2) < 120)
        if len(rows) < 20:
            continue
        x, y = int(columns.min()), int(rows.min())
        width, height = int(columns.max()) + 1 - x, int(rows.max()) + 1 - y
        box = {"x": x / W, "y": y / H, "width": width / W, "height": height / H}
        detection = FaceDetection(min(1, width * height / 1000), box, (W, H))
        descriptor = np.zeros(128, np.float32)
        descriptor[person] = 1
        descriptor[100] = x / 1000
        faces.append(FaceResult(detection, descriptor=descriptor if described else None))
    return faces


def find_boxes(pixels):
    """As `find_squares`, without descriptors."""
    return find_squares(pixels, described=False)
