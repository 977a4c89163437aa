"""How good are groups of faces, and how fast?  python .ci/groups.py LFW --out FILE [--cache DIR]

For each way to make descriptors, on all photos of Labeled Faces in the Wild:

halves     The people are split into two halves by a hash of their names.  The setting of each method is the one with the largest
           B-cubed F on one half, and is judged on the other; then the reverse.  The figures are the means of the two.
all        Every cut of `grouped` on all faces, and the best one on an eighth, a quarter and a half of the people.
stability  Adjusted Rand indices of the groups of an index that was filled in ten parts and another order, grouped after each.
growth     Time and peak memory of `grouped` on LFW and copies of it whose people are other ones, see `more_people`.

B-cubed precision is the mean over faces of the share of the face's group that is of its person, B-cubed recall that of the share
of its person that is in its group (Bagga and Baldwin, 1998).  Pairwise precision and recall count pairs of faces.
Needs scikit-learn and dlib-bin; NumPy before 2.4, as HDBSCAN of scikit-learn 1.9 fails with later ones (its issue 33219).
"""

from __future__ import annotations

import argparse
import concurrent.futures
import hashlib
import json
import multiprocessing
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from scipy.cluster.hierarchy import fcluster, linkage
from scipy.spatial.distance import squareform

from npfaceapi.collection.database import Database
from npfaceapi.collection.grouping import grouped
from npfaceapi.collection.people import groups
from npfaceapi.collection.vectors import vectors_of
from npfaceapi.evaluation.lfw import photos_folder
from npfaceapi.evaluation.people import Describe
from npfaceapi.faces.alignment import ALIGNMENTS
from npfaceapi.networks.options import TinyFaceDetectorOptions

DETECTOR = TinyFaceDetectorOptions(input_size=320, score_threshold=0.1)  # recommended for photos of one person
CUTS = [round(0.42 + 0.01 * i, 2) for i in range(13)]
SIZES = (12_500, 25_000, 50_000, 100_000)
KEPT = 12  # so many principal coordinates keep strangers in copies about as near to each other as in LFW
Setting = dict[str, Any]
Method = Callable[[np.ndarray, Sequence[Setting]], Iterator[np.ndarray]]  # descriptors, settings -> labels for each; -1 is alone


def main() -> None:
    parser = argparse.ArgumentParser(description="Evaluate groups of faces on Labeled Faces in the Wild.")
    parser.add_argument("lfw", type=Path, help="folder of LFW, laid out as in docs/accuracy.md")
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help="JSON to write")
    parser.add_argument("--cache", type=Path, metavar="DIR", help="cache of npfaceapi evaluate")
    parser.add_argument("--photos", type=int, metavar="N", help="use only the first N, as a trial")
    parser.add_argument("--sizes", type=int, nargs="*", default=SIZES, metavar="N", help="numbers of faces for the growth")
    arguments = parser.parse_args()
    paths = sorted(str(path) for path in photos_folder(arguments.lfw).glob("*/*.jpg"))[: arguments.photos]
    report: dict[str, Any] = {"ways": []}
    for alignment in ALIGNMENTS:
        for average_mirror in (False, True):
            found = Describe(DETECTOR, alignment, average_mirror).photos(paths, arguments.cache, lambda *_: None).descriptors
            descriptors = np.array(list(found.values()))
            people = np.unique([Path(path).parent.name for path in found], return_inverse=True)
            way = {"alignment": alignment, "average_mirror": average_mirror, "faces": len(found)}
            report["ways"].append(way | measured(descriptors, *people))
            write_quality(report["ways"][-1])
    report["growth"] = growth(descriptors, people[1], report["ways"][-1]["best"], arguments.sizes)
    write_growth(report["growth"])
    arguments.out.write_text(json.dumps(report, indent=1) + "\n", "utf-8")


def measured(descriptors: np.ndarray, names: np.ndarray, person: np.ndarray) -> dict[str, Any]:
    """The figures of one way to make descriptors [n,128]; `person` [n] are indices into `names`."""
    number = np.array([hashlib.sha256(name.encode()).digest()[0] for name in names])
    rows = every_cut(descriptors, person)
    best = best_of(rows)["cut"]
    shares = [(number % share == 0)[person] for share in (8, 4, 2)]
    fewer = [{"people": len(set(person[own])), **best_of(every_cut(descriptors[own], person[own]))} for own in shares]
    return {
        "methods": {name: judged_on_halves(*method, descriptors, person, number[person] % 2) for name, method in METHODS.items()},
        "all": rows,
        "best": best,
        "fewer_people": fewer,
        "stability": stability(descriptors, best),
    }


def every_cut(descriptors: np.ndarray, person: np.ndarray) -> list[dict[str, float]]:
    return [{"cut": cut, **run(average_linkage, descriptors, person, {"cut": cut})} for cut in CUTS]


def best_of(rows: list[dict[str, float]]) -> dict[str, float]:
    return max(rows, key=lambda row: row["b3_f"])


# ------------------------------------------------------------------ methods


def average_linkage(descriptors: np.ndarray, settings: Sequence[Setting]) -> Iterator[np.ndarray]:
    nobody = np.full(len(descriptors), -1), np.empty((0, 2), np.intp)
    for setting in settings:
        yield grouped(descriptors, *nobody, **setting)


def average_linkage_of_scipy(descriptors: np.ndarray, settings: Sequence[Setting]) -> Iterator[np.ndarray]:
    """On distances, not on their squares."""
    tree = linkage(squareform(distances(descriptors), checks=False), "average")
    for setting in settings:
        yield fcluster(tree, setting["cut"], "distance")


def dbscan(descriptors: np.ndarray, settings: Sequence[Setting]) -> Iterator[np.ndarray]:
    from sklearn.cluster import DBSCAN

    for setting in settings:
        yield DBSCAN(algorithm="brute", **setting).fit_predict(descriptors)


def hdbscan(descriptors: np.ndarray, settings: Sequence[Setting]) -> Iterator[np.ndarray]:
    from sklearn.cluster import HDBSCAN

    matrix = distances(descriptors)
    for setting in settings:
        yield HDBSCAN(metric="precomputed", copy=True, **setting).fit_predict(matrix)


def chinese_whispers(descriptors: np.ndarray, settings: Sequence[Setting]) -> Iterator[np.ndarray]:
    """The labels of `dlib.chinese_whispers_clustering`, which computes the distances anew for each threshold, and slowly."""
    import dlib

    matrix = distances(descriptors)
    for setting in settings:
        edges = np.nonzero(np.triu(matrix < setting["threshold"]))
        yield np.array(dlib.chinese_whispers(list(zip(*(ends.tolist() for ends in edges), strict=True))))


def distances(descriptors: np.ndarray) -> np.ndarray:
    """The matrix [n,n], in float64."""
    rows = descriptors.astype(float)
    squares = np.square(rows).sum(axis=1)
    matrix = -2 * rows @ rows.T
    matrix += squares
    matrix += squares[:, np.newaxis]
    matrix = np.sqrt(np.maximum(matrix, 0, out=matrix), out=matrix)
    np.fill_diagonal(matrix, 0)
    return matrix


METHODS: dict[str, tuple[Method, list[Setting]]] = {
    "average linkage": (average_linkage, [{"cut": cut} for cut in CUTS]),
    "average linkage, SciPy": (average_linkage_of_scipy, [{"cut": cut} for cut in CUTS]),
    "Chinese whispers": (chinese_whispers, [{"threshold": round(0.42 + 0.01 * i, 2)} for i in range(9)]),
    "DBSCAN": (
        dbscan,
        [{"eps": round(0.38 + 0.01 * i, 2), "min_samples": samples} for samples in (2, 3) for i in range(11)],
    ),
    "HDBSCAN": (
        hdbscan,
        [
            {"min_cluster_size": size, "min_samples": samples, "cluster_selection_epsilon": epsilon}
            for size in (2, 3, 4)
            for samples in (1, 3, 4)  # 2 is the same as 1: a face is its own first neighbour
            for epsilon in (0.0, 0.4)
        ],
    ),
}


# ------------------------------------------------------------------ figures


def scores(person: np.ndarray, label: np.ndarray) -> dict[str, float]:
    """The figures of a partition: true people [n], and labels of groups [n]; each face with a label < 0 is a group.

    merged
        The share of groups of several faces that are of more than one person.
    faces_merged
        The share of all faces that are in such groups.
    """
    n = len(person)
    label = np.where(label < 0, label.max(initial=0) + 1 + np.arange(n), label)
    person, label = (np.unique(ids, return_inverse=True)[1] for ids in (person, label))
    shared, count = np.unique(np.stack([label, person]), axis=1, return_counts=True)
    in_group, of_person = np.bincount(label), np.bincount(person)
    b3_precision = float((count**2 / in_group[shared[0]]).sum() / n)
    b3_recall = float((count**2 / of_person[shared[1]]).sum() / n)
    found, grouped_pairs, true_pairs = (pairs(sizes) for sizes in (count, in_group, of_person))
    precision, recall = found / max(grouped_pairs, 1), found / max(true_pairs, 1)
    several = in_group > 1
    mixed = np.bincount(shared[0]) > 1
    return {
        "b3_precision": b3_precision, "b3_recall": b3_recall, "b3_f": harmonic_mean(b3_precision, b3_recall),
        "precision": precision, "recall": recall, "f": harmonic_mean(precision, recall),
        "groups": len(in_group), "groups_of_several": int(several.sum()),
        "merged": float(mixed.sum() / max(several.sum(), 1)), "faces_merged": float(in_group[mixed].sum() / n),
    }  # fmt: skip


def pairs(sizes: np.ndarray) -> int:
    """The number of pairs within sets of these sizes."""
    return int((sizes * (sizes - 1) // 2).sum())


def harmonic_mean(a: float, b: float) -> float:
    return 2 * a * b / (a + b) if a + b else 0.0


def run(method: Method, descriptors: np.ndarray, person: np.ndarray, setting: Setting) -> dict[str, float]:
    start, processor = time.perf_counter(), time.process_time()
    [label] = method(descriptors, [setting])
    seconds = {"seconds": time.perf_counter() - start, "processor_seconds": time.process_time() - processor}
    return {**seconds, **scores(person, label)}


def judged_on_halves(
    method: Method, settings: list[Setting], descriptors: np.ndarray, person: np.ndarray, half: np.ndarray
) -> dict[str, Any]:
    """The best setting on each half, by B-cubed F, and the means of its figures on the other one.

    `f_of_best_f` is the mean of the pairwise F on the other half when the setting is the best by pairwise F.
    """
    chosen, best_by_f, rows = [], [], []
    for own in (0, 1):
        rows.append([scores(person[half == own], label) for label in method(descriptors[half == own], settings)])
        chosen.append(settings[int(np.argmax([row["b3_f"] for row in rows[own]]))])
        best_by_f.append(int(np.argmax([row["f"] for row in rows[own]])))
    judged = [run(method, descriptors[half != own], person[half != own], chosen[own]) for own in (0, 1)]
    means = {key: float(np.mean([row[key] for row in judged])) for key in judged[0]}
    f_of_best_f = float(np.mean([rows[1 - own][best_by_f[own]]["f"] for own in (0, 1)]))
    return {"chosen": chosen, "halves": judged, **means, "f_of_best_f": f_of_best_f}


# ------------------------------------------------------------------ stability and growth


def stability(descriptors: np.ndarray, cut: float, parts: int = 10) -> dict[str, float]:
    """Adjusted Rand indices with the groups of all faces at once, in their order."""
    from sklearn.metrics import adjusted_rand_score

    [label] = average_linkage(descriptors, [{"cut": cut}])
    order = np.random.default_rng(0).permutation(len(descriptors))
    [shuffled] = average_linkage(descriptors[order], [{"cut": cut}])
    with tempfile.TemporaryDirectory() as folder:
        database = Database(Path(folder) / "faces.npfi")
        for part in np.array_split(order, parts):
            add(database, part.tolist(), descriptors)
            found = groups(database, vectors_of(database), cut)
        database.close()
    in_parts = np.empty(len(descriptors), np.intp)
    for group in found:
        in_parts[[face - 1 for face in group.faces]] = group.number
    return {
        "shuffled": float(adjusted_rand_score(label[order], shuffled)),
        "in_parts": float(adjusted_rand_score(label, in_parts)),
    }


def add(database: Database, numbers: list[int], descriptors: np.ndarray) -> None:
    """Add photos of one face each to an index; the faces' numbers in it are one more."""
    with database.transaction() as connection:
        connection.executemany(
            "INSERT INTO photos (id, path, size, modified, outcome) VALUES (?, ?, 0, 0, 'faces')",
            [(number + 1, f"/{number}.jpg") for number in numbers],
        )
        connection.executemany(
            "INSERT INTO faces (id, photo, number, x, y, width, height, score, descriptor) VALUES (?, ?, 0, 0, 0, 1, 1, 1, ?)",
            [(number + 1, number + 1, descriptors[number].astype("<f4").tobytes()) for number in numbers],
        )


def more_people(descriptors: np.ndarray, person: np.ndarray, n: int) -> tuple[np.ndarray, np.ndarray]:
    """The first n of the faces, and of copies of them in which each person is another one.

    The mean of a person in copy c has the first principal coordinates of this person, and the others of the person c places
    before.  The faces move with it, so that distances within a person are kept.
    """
    counts = np.bincount(person)[:, np.newaxis]
    means = np.stack([np.bincount(person, column) for column in descriptors.T], axis=1) / counts
    axes = np.linalg.eigh(np.cov(means.T))[1][:, ::-1][:, KEPT:]  # all but the first ones
    copies, people = [descriptors], [person]
    while sum(map(len, copies)) < n:
        moves = (np.roll(means, len(copies), axis=0) - means) @ axes @ axes.T
        copies.append((descriptors + moves[person]).astype(np.float32))
        people.append(person + len(people) * len(means))
    return np.concatenate(copies)[:n], np.concatenate(people)[:n]


def near_strangers(descriptors: np.ndarray, person: np.ndarray, distance: float, sample: int = 200) -> float:
    """The share of pairs of faces of two people, one of them in a random sample, that are nearer than this."""
    rows = np.random.default_rng(0).permutation(len(person))[:sample]
    near = strangers = 0
    for row in rows:
        others = descriptors[person != person[row]]
        near += int((np.linalg.norm(others - descriptors[row], axis=1) < distance).sum())
        strangers += len(others)
    return near / max(strangers, 1)


def growth(descriptors: np.ndarray, person: np.ndarray, cut: float, sizes: Sequence[int]) -> dict[str, Any]:
    """Each size in a process of its own; the exponent is the slope of log time over log size."""
    rows = []
    for n in sizes:
        context = multiprocessing.get_context("spawn")
        with concurrent.futures.ProcessPoolExecutor(1, context) as pool:
            rows.append({"faces": n, **pool.submit(grown, descriptors, person, n, cut).result()})
    report: dict[str, Any] = {"cut": cut, "sizes": rows}
    if len(rows) > 1:
        log = np.log([[row["faces"], row["seconds"]] for row in rows])
        exponent, factor = np.polyfit(*log.T, 1)
        report |= {"exponent": float(exponent), "hours_of_a_million": float(np.exp(factor) * 1e6**exponent / 3600)}
    return report


def grown(descriptors: np.ndarray, person: np.ndarray, n: int, cut: float) -> dict[str, float]:
    """Figures of n faces; `peak` is the peak memory of this process, `rest` that before the faces are grouped, in MB."""
    import resource  # not on Windows

    many, people = more_people(descriptors, person, n)
    rest = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    row = run(average_linkage, many, people, {"cut": cut})
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {**row, "rest": rest, "peak": peak, "near_strangers": near_strangers(many, people, 0.5)}


# ------------------------------------------------------------------ tables

COLUMNS = "B³ precision | recall | F | pairwise precision | recall | F | groups | of several: merged | faces in merged | seconds"


def figures(row: dict[str, Any]) -> str:
    six = (f"{row[key]:.3f}" for key in ("b3_precision", "b3_recall", "b3_f", "precision", "recall", "f"))
    shares = (f"{100 * row[key]:.1f} %" for key in ("merged", "faces_merged"))
    return " | ".join([*six, f"{row['groups']:,.0f}", *shares, f"{row['seconds']:.1f}"])


def write_table(head: str, rows: list[str]) -> None:
    lines = [head, "|".join(["---"] * (head.count("|") + 1)), *rows]
    sys.stdout.write("\n".join(f"| {line} |" for line in lines) + "\n\n")


def write_quality(way: dict[str, Any]) -> None:
    mirror = "with" if way["average_mirror"] else "without"
    sys.stdout.write(f"alignment {way['alignment']}, {mirror} the averaged mirror, {way['faces']} faces\n\n")
    rows = []
    for name, result in way["methods"].items():
        chosen = "; ".join(dict.fromkeys(", ".join(f"{value:g}" for value in one.values()) for one in result["chosen"]))
        rows.append(f"{name} | {chosen} | {figures(result)} | {result['f_of_best_f']:.3f}")
    write_table(f"method | settings | {COLUMNS} | pairwise F if chosen by it", rows)
    write_table(f"cut | {COLUMNS}", [f"{row['cut']:.2f} | {figures(row)}" for row in way["all"]])
    write_table(
        f"people | best cut | {COLUMNS}",
        [f"{row['people']:,} | {row['cut']:.2f} | {figures(row)}" for row in way["fewer_people"]],
    )
    sys.stdout.write("adjusted Rand index: {shuffled!r} shuffled, {in_parts!r} in ten parts\n\n".format(**way["stability"]))
    sys.stdout.flush()


def write_growth(report: dict[str, Any]) -> None:
    rows = [
        f"{row['faces']:,} | {row['peak']:,.0f} | {row['rest']:,.0f} | {1e6 * row['near_strangers']:.0f} | {figures(row)}"
        for row in report["sizes"]
    ]
    write_table(f"faces | peak memory, MB | before, MB | strangers nearer than 0.5, in a million pairs | {COLUMNS}", rows)
    if "exponent" in report:
        line = "time grows with the power {exponent:.2f} of the faces; 1,000,000 faces: {hours_of_a_million:.1f} h\n"
        sys.stdout.write(line.format(**report))


if __name__ == "__main__":
    main()
