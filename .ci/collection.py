"""Measures an index of photos: `.ci/measure collection`.

python .ci/collection.py rate FOLDER     photos a second: the index, and two processes that only decode and run the chain
python .ci/collection.py known           a run in which nothing has changed, on COUNT=100,000 photos
python .ci/collection.py writer          photos a second that one process writes, and that one Dask scheduler hands out and back
python .ci/collection.py search          searches among COUNT=1,000,000 faces, and FAISS's exact index
"""

from __future__ import annotations

import argparse
import os
import pickle
import resource
import statistics
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path

import numpy as np

WARM = 32  # photos after which both processes of a run have started
ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

import npfaceapi as faceapi  # noqa: E402
from npfaceapi.collection.adding import Plan, add_rows  # noqa: E402
from npfaceapi.collection.dask_cluster import in_dask  # noqa: E402
from npfaceapi.collection.vectors import vectors_of  # noqa: E402
from npfaceapi.collection.worker import PHOTO_COLUMNS, FaceWorker, PhotoRows  # noqa: E402
from npfaceapi.photos.folders import find_photos  # noqa: E402


def photos_of(sizes: tuple[float, ...], count: int, folder: Path) -> list[str]:
    """JPEGs of these megapixels: the astronaut, enlarged and cut differently, so that each has another content."""
    from PIL import Image

    image = Image.open(ROOT / "golden" / "images" / "astronaut.png").convert("RGB")
    paths = []
    for number in range(count):
        megapixels = sizes[number % len(sizes)]
        height = round((megapixels * 1e6 * 3 / 4) ** 0.5)
        cut = image.crop((number % 40, 0, 512 - number % 23, 400 + number % 17))
        paths.append(str(folder / f"{number:05}.jpg"))
        cut.resize((round(height * 4 / 3), height), Image.Resampling.BICUBIC).save(paths[-1], quality=90)
    return paths


def _bare(paths: list[str]) -> int:
    """Only decode and run the chain, on one thread: what the index is compared with."""
    faceapi.set_num_threads(1)
    found = 0
    for path in paths:
        task = faceapi.detect_all_faces(path).with_face_landmarks().with_face_expressions().with_age_and_gender()
        found += len(task.with_face_descriptors("dlib").run())
    return found


def _note(seen: list[tuple[int, float]], done: int, total: int, rows: object) -> None:
    seen.append((done, time.perf_counter()))


def rate(arguments: argparse.Namespace) -> dict[str, float]:
    """Alternating runs of both on the same photos, each in new processes that are warm."""
    with tempfile.TemporaryDirectory() as place:
        if arguments.folder is None:
            paths = photos_of((2, 4, 8, 12), arguments.count or 160, Path(place))
        else:
            paths = find_photos(arguments.folder).files[: arguments.count]
        ratios, rates = [], []
        for _ in range(arguments.rounds):
            with ProcessPoolExecutor(2, get_context("spawn")) as pool:
                list(pool.map(_bare, [paths[:1]] * 8))  # warm both
                started = time.perf_counter()
                list(pool.map(_bare, [[path] for path in paths]))
                bare = len(paths) / (time.perf_counter() - started)
            file = Path(place) / f"{len(rates)}.index"
            with faceapi.FaceIndex(file) as index:
                index.add(paths[:1], workers=1)
                started = time.perf_counter()
                seen: list[tuple[int, float]] = []
                index.add(paths, workers=2, progress=partial(_note, seen))
                begun, since = next((done, at) for done, at in seen if done >= min(WARM, len(paths) // 2))
                ours = (seen[-1][0] - begun) / (seen[-1][1] - since)
                whole = len(paths) / (time.perf_counter() - started)
            ratios.append(ours / bare)
            rates.append((bare, ours, whole))
        peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1e3
        found = {
            "bare photos/s": statistics.median(r[0] for r in rates),
            "index photos/s": statistics.median(r[1] for r in rates),
            "index photos/s, with the start": statistics.median(r[2] for r in rates),
            "ratio, median": statistics.median(ratios),
            "ratio, least": min(ratios),
            "largest process, MB": peak,
        }
    return found


def known(arguments: argparse.Namespace) -> dict[str, float]:
    """A run without changes: the files are empty, and the index knows them."""
    count = arguments.count or 100_000
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "photos"
        folder.mkdir()
        for number in range(count):
            (folder / f"{number:06}.jpg").touch()
        with faceapi.FaceIndex(Path(place) / "faces.index") as index:
            index.add([], workers=1)
            rows = []
            for entry in os.scandir(folder):
                status = entry.stat()
                rows.append((entry.path, status.st_size, status.st_mtime_ns, os.urandom(32)))
            with index._database.transaction() as connection:
                connection.executemany(
                    "INSERT INTO photos (path, size, modified, content, outcome) VALUES (?, ?, ?, ?, 'no face')", rows
                )
            started = time.perf_counter()
            added = index.add(folder)
            seconds = time.perf_counter() - started
            assert (added.computed, added.unchanged) == (0, count)
    return {"photos": count, "seconds": seconds}


def _rows_of(path: str, number: int, face: dict[str, object]) -> PhotoRows:
    """Rows as a worker gives them, with one face, which are computed in no time."""
    photo = dict.fromkeys(PHOTO_COLUMNS)
    photo.update(path=path, size=4_000_000, modified=number, content=number.to_bytes(32, "big"), width=4000, height=3000)
    photo.update(rotation=0, outcome="faces")
    return PhotoRows(photo, [face])


def writer(arguments: argparse.Namespace) -> dict[str, float]:
    """What bounds many machines: one process that writes rows, and one scheduler that all results go through."""
    count = arguments.count or 100_000
    face = FaceWorker().rows(str(ROOT / "golden" / "images" / "astronaut.png")).faces[0]
    tasks: list[tuple[str, tuple[bytes, ...]]] = [(f"/photos/{number:08}.jpg", ()) for number in range(count)]
    with tempfile.TemporaryDirectory() as place:
        file = Path(place) / "faces.index"
        with faceapi.FaceIndex(file) as index:
            started = time.perf_counter()
            compute = lambda tasks: (_rows_of(path, i, face) for i, (path, _) in enumerate(tasks))  # noqa: E731
            added = add_rows(index._database, Plan(tasks, [], [], 0), compute, lambda done, rows: None)
            seconds = time.perf_counter() - started
            assert added.faces == count
        found = {"photos": count, "photos/s written": count / seconds, "bytes a photo in the file": file.stat().st_size / count}
    import distributed

    with distributed.LocalCluster(n_workers=1, threads_per_worker=1, processes=True, dashboard_address=":0") as cluster:
        few = [(path, number, face) for number, (path, _) in enumerate(tasks[: count // 10])]
        list(in_dask(_rows_of, few[:1000], cluster.scheduler_address))
        started = time.perf_counter()
        assert sum(1 for _ in in_dask(_rows_of, few, cluster.scheduler_address)) == len(few)
        found["photos/s through the scheduler"] = len(few) / (time.perf_counter() - started)
        found["bytes a photo on the network"] = len(pickle.dumps(_rows_of(*few[-1])))
    return found


def search(arguments: argparse.Namespace) -> dict[str, float]:
    """Faces at random on a sphere of the descriptors' length, queries near some of them; two threads."""
    count, rng = arguments.count or 1_000_000, np.random.default_rng(0)
    try:
        import faiss

        faiss.omp_set_num_threads(2)
    except ImportError:
        faiss = None
    with tempfile.TemporaryDirectory() as place:
        found: dict[str, float] = {"faces": count}
        path = Path(place) / "faces.index"
        index = faceapi.FaceIndex(path)
        with index._database.transaction() as connection:
            connection.execute("INSERT INTO photos (id, path, size, modified, outcome) VALUES (1, '/a.jpg', 1, 1, 'faces')")
            for start in range(0, count, 50_000):
                part = rng.standard_normal((min(50_000, count - start), 128), np.float32)
                part *= 1.42 / np.linalg.norm(part, axis=1, keepdims=True)
                connection.executemany(
                    "INSERT INTO faces (photo, number, x, y, width, height, score, descriptor) VALUES (1, ?, 0, 0, 1, 1, 1, ?)",
                    [(start + i, row.tobytes()) for i, row in enumerate(part)],
                )
        started = time.perf_counter()
        descriptors = np.array(vectors_of(index._database).descriptors)
        found["seconds to write the sidecar"] = time.perf_counter() - started
        index.close()
        started = time.perf_counter()
        index = faceapi.FaceIndex(path)
        queries = descriptors[rng.integers(0, count, 1000)] + rng.standard_normal((1000, 128), np.float32) * np.float32(0.03)
        index.search(queries[0])
        found["seconds to open and search once"] = time.perf_counter() - started
        peer = None
        if faiss is not None:
            peer = faiss.IndexFlatL2(128)
            peer.add(descriptors)
        for m in (1, 1000):
            ours, theirs = [], []
            for i in range(arguments.rounds):
                some = queries[i : i + 1] if m == 1 else queries
                started = time.perf_counter()
                mine = index.search(some, 10)
                ours.append(time.perf_counter() - started)
                if peer is not None:
                    started = time.perf_counter()
                    _, rows = peer.search(some, 10)
                    theirs.append(time.perf_counter() - started)
                    assert [[face.face - 1 for face in faces] for faces in mine] == rows.tolist()
            found[f"seconds for {m} queries, median"] = statistics.median(ours)
            if theirs:
                found[f"FAISS, {m} queries, median"] = statistics.median(theirs)
                found[f"ratio for {m} queries, median"] = statistics.median(a / b for a, b in zip(ours, theirs, strict=True))
        index.close()
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("rate", "known", "writer", "search"))
    parser.add_argument("folder", nargs="?")
    parser.add_argument("--count", type=int)
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    for name, value in {"rate": rate, "known": known, "writer": writer, "search": search}[arguments.what](arguments).items():
        print(f"{name}: {value:,.3f}" if isinstance(value, float) else f"{name}: {value:,}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
