"""The whole chain on a photo, against the times of its networks alone: what everything around the networks costs."""

from __future__ import annotations

from typing import Any

import numpy as np

from npfaceapi import nets
from npfaceapi.benchmark.entries import FACE_NETS, astronaut
from npfaceapi.benchmark.networks import WrongAnswer
from npfaceapi.benchmark.section import Section
from npfaceapi.benchmark.timing import time_blocks
from npfaceapi.conformance.synthetic import synthetic
from npfaceapi.engines.dispatch import use_backend
from npfaceapi.engines.thread_count import use_num_threads
from npfaceapi.photos.net_input import resize_bilinear
from npfaceapi.tasks import detect_all_faces

__all__ = ["chain_section", "photo_of_three", "run_chain"]

FACES = 3


def photo_of_three() -> np.ndarray[Any, Any]:
    """uint8 [1280,1920,3] with the bundled portrait three times, the one in the middle mirrored."""
    portrait = np.asarray(resize_bilinear(astronaut()[:, 100:356], (1280, 640))).round().astype(np.uint8)
    return np.concatenate([portrait, portrait[:, ::-1], portrait], axis=1)


def run_chain(photo: Any) -> list[Any]:
    """All faces with all that the networks tell of them."""
    task = detect_all_faces(photo).with_face_landmarks().with_face_expressions().with_age_and_gender()
    faces: list[Any] = task.with_face_descriptors().run()
    return faces


def chain_section(backend: str, threads: int, seconds: float = 3.0) -> Section:
    """Milliseconds of the chain and of its networks."""
    photo = photo_of_three()
    with use_num_threads(threads), use_backend(backend):
        found = len(run_chain(photo))
        if found != FACES:
            raise WrongAnswer(f"the chain on {backend}: expected {FACES} faces, got {found}")
        batches = [(nets.ssd_mobilenetv1, synthetic(1, (1, 512, 512, 3), 0, 255))]
        for name in FACE_NETS:
            net = getattr(nets, name)
            batches.append((net, synthetic(2, (FACES, net.input_size, net.input_size, 3), 0, 255)))
        calls = {"chain": lambda: run_chain(photo), "networks": lambda: [net.run_net(batch) for net, batch in batches]}
        times = time_blocks(calls, seconds)
    ratio = times["chain"].median / times["networks"].median
    section = Section(
        f"The chain, {threads} thread{'s' if threads > 1 else ''}",
        "`detect_all_faces(rgb).with_face_landmarks().with_face_expressions().with_age_and_gender().with_face_descriptors()` on "
        f"an array of 1920x1280 with {FACES} faces, and its five networks alone on batches of that size.",
        ["", "min ms", "median ms"],
        [[name, f"{t.min:.1f}", f"{t.median:.1f}"] for name, t in times.items()],
        [f"the chain takes {ratio:.3f} times what its networks take"],
    )
    section.records.append(
        {
            "chain": "1920x1280, 3 faces",
            "backend": backend,
            "threads": threads,
            "chain_ms_min": times["chain"].min,
            "chain_ms_median": times["chain"].median,
            "networks_ms_min": times["networks"].min,
            "networks_ms_median": times["networks"].median,
            "ratio": ratio,
        }
    )
    return section
