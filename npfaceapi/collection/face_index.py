"""`FaceIndex`: photos and the faces in them, in one SQLite file."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import math
import os
import sqlite3
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from types import TracebackType
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from npfaceapi.collection import people
from npfaceapi.collection.adding import Added, add_rows, plan_of
from npfaceapi.collection.contact_sheets import write_contact_sheets
from npfaceapi.collection.dask_cluster import in_dask
from npfaceapi.collection.database import Database, path_of
from npfaceapi.collection.people import CUTS, Group, Move
from npfaceapi.collection.processes import in_processes
from npfaceapi.collection.searching import nearest, squared_lengths
from npfaceapi.collection.tables import FORMATS, labels_of, write_table
from npfaceapi.collection.vectors import LENGTH, Vectors, vectors_of
from npfaceapi.collection.worker import FaceWorker, PhotoRows
from npfaceapi.engines.usable_cpus import usable_cpus
from npfaceapi.errors import ImageNotFoundError, InvalidArgument, InvalidType, NpFaceApiError, shown
from npfaceapi.faces.geometry import Rect
from npfaceapi.faces.matcher import LabeledFaceDescriptors
from npfaceapi.faces.points import as_descriptor, as_flag, as_number
from npfaceapi.networks.options import FaceDetectionOptions
from npfaceapi.photos.folders import find_photos
from npfaceapi.photos.loading import Photo, load_image
from npfaceapi.video.decoding import suffixes_at_hand

__all__ = ["FaceIndex"]

PHOTOS_PER_PROCESS = 8  # fewer are not worth the start of a process


class FaceIndex:
    """An index of photos: their faces with box, points, descriptor, age, gender, expressions and quality, and who is who.

    It is one SQLite file, which any SQLite tool can read; docs/collections.md describes its tables.  Use an object in one
    thread at a time.

    Parameters
    ----------
    path : str or path
        The file; it is made if missing.
    options : SsdMobilenetv1Options and others, optional
        Choose the detector.  Default: those that made the index, else SsdMobilenetv1Options().
    alignment, average_mirror, any_rotation
        As in `FaceWorker`; None: as the index was made, or the default there.

    Raises
    ------
    InvalidArgument, NpFaceApiError
        If the file is not an index, was made by a newer version or with other options, or cannot be read or written.

    Examples
    --------
    >>> import os, tempfile
    >>> with FaceIndex(os.path.join(tempfile.mkdtemp(), "faces.index")) as index:
    ...     added = index.add(["golden/images/astronaut.png"])
    ...     added.computed, added.faces, len(index)
    (1, 1, 1)
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        options: FaceDetectionOptions | None = None,
        *,
        alignment: str | None = None,
        average_mirror: bool | None = None,
        any_rotation: bool | None = None,
    ) -> None:
        if not isinstance(path, (str, os.PathLike)):
            raise InvalidType(f"FaceIndex: expected a path, got {shown(path)}")
        made = FaceWorker()
        made.changed(options, alignment, average_mirror, any_rotation)  # refuses invalid ones before a file is made
        self._database = Database(path)
        try:
            stored = self._database.setting("worker")
            if stored is not None:
                try:
                    made = FaceWorker.from_json(stored)
                except (InvalidArgument, InvalidType) as error:
                    raise InvalidArgument(f"{self.path}: {error}") from None
            self._worker = made.changed(options, alignment, average_mirror, any_rotation)
        except BaseException:
            self._database.close()
            raise
        self._mapped: tuple[bytes, Vectors, NDArray[np.float32]] | None = None

    @property
    def path(self) -> str:
        """The file, as an absolute path."""
        return self._database.path

    @property
    def worker(self) -> FaceWorker:
        """How the faces are found and described."""
        return self._worker

    def __len__(self) -> int:
        """The number of faces."""
        return int(self._database.rows("SELECT count(*) FROM faces")[0][0])

    def __repr__(self) -> str:
        return f"<FaceIndex: {self.path!r}, {len(self)} faces>"

    def __enter__(self) -> FaceIndex:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        self._database.close()

    def add(
        self,
        photos: str | os.PathLike[str] | Iterable[str | os.PathLike[str]],
        *,
        workers: int | None = None,
        again: bool = False,
        scheduler: str | None = None,
        progress: Callable[[int, int, PhotoRows], object] | None = None,
    ) -> Added:
        """Bring the index up to date with photos on disk.

        What is in the index and has not changed, by size and time, is not read.  A photo that has moved is recognized by its
        content.  Photos that have vanished from a folder given here stay in the index, marked as vanished.  Everything that is
        done is in the file within about a second, so that a run that was interrupted, in whatever way, continues with the next.

        Parameters
        ----------
        photos : path or iterable of paths
            Files, and folders with their subfolders; see `find_photos`.  Of a video, a face is a track: see `analyze_video`;
            videos in folders are found with the extra `video`.
        workers : int, optional
            The number of processes, each of which uses one core.  Default: one per core; this process alone for a few photos.
            The rows do not depend on it.
        again : bool
            Compute known photos again, for example with other options.
        scheduler : str, optional
            The address of a Dask scheduler, on whose workers the photos are computed instead; they must see the photos at the
            same paths.  The rows are the same.
        progress : callable
            Called after each photo with the number of photos done and to do in this run, and the rows of the last one.

        Returns
        -------
        Added
            Counts.

        Raises
        ------
        InvalidArgument, InvalidType
            If a photo does not exist, or the index was made with other options or weights.
        NpFaceApiError
            If another process is adding photos, or the file cannot be written (a full disk, say): what was done is kept.
        """
        if workers is not None and (isinstance(workers, bool) or not isinstance(workers, int) or workers < 1):
            raise InvalidArgument(f"FaceIndex.add: expected 1 or more workers, got {shown(workers)}")
        again = as_flag(again, "FaceIndex.add: again")
        found = files_of(photos)
        with self._only_writer():
            self._use_settings(self._worker.to_dict(), again)
            plan = plan_of(self._database, found.paths, found.roots, again)
            if workers is None:
                workers = max(1, min(usable_cpus(), len(plan.tasks) // PHOTOS_PER_PROCESS))
            if scheduler is None:
                compute = functools.partial(in_processes, self._worker.rows, workers=workers, begin=self._worker.warm_up)
            else:
                compute = functools.partial(in_dask, self._worker.rows, scheduler=scheduler)
            total = len(plan.tasks)
            added = add_rows(self._database, plan, compute, lambda done, rows: progress and progress(done, total, rows))
        return dataclasses.replace(added, problems=found.problems, left_out=found.left_out)

    def _use_settings(self, settings: dict[str, Any], again: bool) -> None:
        """Compare the options and weights with those that made the index; with `again`, replace them.

        Then no descriptor of before remains, and every photo counts as changed.
        """
        stored = self._database.setting("worker")
        if stored is None:
            self._database.set("worker", settings)
        elif stored != settings:
            if not again:
                raise InvalidArgument(
                    f"{self.path}: expected the options with which the index was made, got {_differences(stored, settings)}: "
                    "compute all photos anew with again=True (--again), or make another index"
                )
            with self._database.transaction() as connection:
                connection.execute('UPDATE faces SET descriptor = NULL, "group" = NULL')
                connection.execute("UPDATE photos SET modified = -1, content = NULL")
                self._database.set("worker", settings)

    def search(
        self, query: Photo | ArrayLike, k: int = 10, max_distance: float = math.inf
    ) -> list[FoundFace] | list[list[FoundFace]]:
        """The faces of the index that are nearest to a face.

        The search is exact: the distances are those of `euclidean_distance`, and every face of the index is compared.

        Parameters
        ----------
        query : array [128] or [m,128], or a photo
            Descriptors, made as those of the index; or a photo, in which the faces are found: see `load_image`.
        k : int
            At most so many faces.
        max_distance : float
            Faces at a larger distance are left out.

        Returns
        -------
        list of FoundFace, or list of these lists
            By distance, then by number.  One list for one descriptor; a list of lists for several, and for the faces of a photo.

        Raises
        ------
        InvalidArgument, InvalidType, ImageError
            If an argument is invalid, or the photo cannot be read.
        """
        if isinstance(k, bool) or not isinstance(k, (int, np.integer)) or k < 1:
            raise InvalidArgument(f"FaceIndex.search: expected k from 1 up, got {shown(k)}")
        max_distance = as_number(max_distance, "FaceIndex.search: max_distance") if max_distance != math.inf else max_distance
        queries, is_one = self._queries(query)
        vectors, lengths = self._vectors()
        found = nearest(vectors.descriptors, lengths, queries, int(k), max_distance)
        results = [self._faces(vectors.faces[rows].tolist(), distances.tolist()) for rows, distances in found]
        return results[0] if is_one else results

    def faces_of(self, name: str) -> list[FoundFace]:
        """The faces in the group of a named person, those that were named and those that were found to belong to it.

        Raises
        ------
        InvalidArgument
            If there is no such person.
        """
        faces = people.faces_of(self._database, name)
        return self._faces(faces, [math.nan] * len(faces))

    def _queries(self, query: Any) -> tuple[NDArray[np.float32], bool]:
        """Descriptors [m,128], and whether a single one was given."""
        array = None
        with contextlib.suppress(ValueError):  # lists of several lengths
            array = np.asarray(query) if isinstance(query, (list, tuple, np.ndarray)) else None
        if array is not None and array.ndim in (1, 2) and array.shape[-1] == LENGTH:
            rows = [as_descriptor(row, "FaceIndex.search") for row in array.reshape(-1, LENGTH)]
            return np.array(rows, np.float32).reshape(-1, LENGTH), array.ndim == 1
        if isinstance(query, (list, tuple)) or (array is not None and array.ndim == 1):
            raise InvalidArgument(f"FaceIndex.search: expected descriptors of {LENGTH} numbers, got {shown(query)}")
        faces = [face.descriptor for face in self._worker.faces(load_image(query)) if face.descriptor is not None]
        return np.array(faces, np.float32).reshape(-1, LENGTH), False

    def _vectors(self) -> tuple[Vectors, NDArray[np.float32]]:
        """The descriptors, and their squared lengths, as long as no face is added or removed."""
        version = self._database.rows("SELECT value FROM rows_version")[0][0]
        if self._mapped is None or self._mapped[0] != version:
            vectors = vectors_of(self._database)
            self._mapped = version, vectors, squared_lengths(vectors.descriptors)
        return self._mapped[1], self._mapped[2]

    def _faces(self, numbers: list[int], distances: list[float]) -> list[FoundFace]:
        found = []
        for number, distance in zip(numbers, distances, strict=True):
            row = self._database.rows(
                "SELECT path, x, y, faces.width, faces.height, score, name, time FROM faces JOIN photos ON photos.id = photo "
                "LEFT JOIN people ON people.id = person WHERE faces.id = ?",
                number,
            )
            if row:  # else another process has removed it meanwhile
                path, x, y, width, height, score, person, time = row[0]
                found.append(FoundFace(number, path_of(path), Rect(x, y, width, height), score, person, distance, time))
        return found

    def groups(self, cut: float | None = None) -> list[Group]:
        """Groups of faces that are probably one person; the largest first.

        The same photos give the same groups, in whatever order and in however many runs they were added.  Named people stay as
        they were named.  A group keeps its number as long as most of its faces do; see `changes`.

        Parameters
        ----------
        cut : float, optional
            The largest distance between two groups that are one: the root of the mean squared distance of their faces.  A
            smaller one splits more people, a larger one merges more.  Default: by how the descriptors were made, see
            docs/collections.md.

        Raises
        ------
        InvalidArgument, NpFaceApiError
            If the cut is not a number from 0 up, or the index cannot be written.
        """
        if cut is None:
            cut = CUTS[self._worker.alignment, self._worker.average_mirror]
        cut = as_number(cut, "FaceIndex.groups: cut")
        if cut < 0:
            raise InvalidArgument(f"FaceIndex.groups: expected a cut from 0 up, got {cut:g}")
        return people.groups(self._database, self._vectors()[0], cut)

    def changes(self) -> list[Move]:
        """The faces that the last call of `groups` put into another group than the call before."""
        return people.changes(self._database)

    def name(self, group: int, name: str) -> None:
        """Say who the faces of a group are; they keep this name whatever photos are added."""
        people.name_group(self._database, _number(group), name)

    def join(self, *groups: int) -> None:
        """Say that several groups are one person."""
        people.join(self._database, [_number(group) for group in groups])

    def split(self, group: int, faces: Sequence[int]) -> None:
        """Say that these faces of a group are another person than the rest, who keeps the name."""
        if not isinstance(faces, Iterable):
            raise InvalidType(f"FaceIndex.split: expected numbers of faces, got {shown(faces)}")
        people.split(self._database, _number(group), [_number(face) for face in faces])

    def not_the_same(self, face: int, other: int) -> None:
        """Say that two faces are two people, for ever."""
        people.not_the_same(self._database, _number(face), _number(other))

    def export(self, path: str | os.PathLike[str], format: str = "csv") -> int:
        """Write the faces to a file, a row each; two indexes of the same photos give the same bytes.

        Parameters
        ----------
        path : path
            Is replaced if it exists.
        format : "csv", "jsonl", "parquet" or "labels"
            The columns are path, x, y, width, height (pixels), score, age, gender, expression, person, and the descriptor: as
            descriptor_0 to descriptor_127 in CSV, as a list elsewhere.  "labels" is the named people as a JSON list of
            face-api.js's `LabeledFaceDescriptors`.

        Returns
        -------
        int
            The number of faces.

        Raises
        ------
        BackendUnavailable
            For Parquet, without the package pyarrow.
        InvalidArgument
            If the format is unknown, or the file cannot be written or is the index itself.
        """
        if format not in FORMATS:
            raise InvalidArgument(f"FaceIndex.export: expected a format out of {', '.join(FORMATS)}, got {shown(format)}")
        return write_table(self._database, path, format)

    def labels(self) -> list[LabeledFaceDescriptors]:
        """The named people, with the descriptors of the faces that were given the name."""
        return labels_of(self._database)

    def add_labels(self, labels: Iterable[LabeledFaceDescriptors], max_distance: float = 1e-3) -> int:
        """Give the faces the names of labels, such as those that `labels` or face-api.js made.

        Parameters
        ----------
        labels : iterable of LabeledFaceDescriptors
            Made with the same options as the index.
        max_distance : float
            A face gets the name of the nearest descriptor if it is at most this far; by default only if it is that very face.

        Returns
        -------
        int
            The number of faces named.
        """
        labels = list(labels) if isinstance(labels, Iterable) else [labels]
        if not all(isinstance(each, LabeledFaceDescriptors) for each in labels):
            raise InvalidType(f"FaceIndex.add_labels: expected LabeledFaceDescriptors, got {shown(labels)}")
        max_distance = as_number(max_distance, "FaceIndex.add_labels: max_distance")
        vectors, lengths = self._vectors()
        descriptors = [descriptor for each in labels for descriptor in each.descriptors]
        for descriptor in descriptors:
            if len(descriptor) != LENGTH:
                raise InvalidArgument(f"FaceIndex.add_labels: expected descriptors of {LENGTH} numbers, got {len(descriptor)}")
        queries = np.array(descriptors, np.float32)
        names = [each.label for each in labels for _ in each.descriptors]
        found = nearest(vectors.descriptors, lengths, queries.reshape(-1, LENGTH), max(1, len(vectors.faces)), max_distance)
        best: dict[int, tuple[float, str]] = {}
        for name, (rows, distances) in zip(names, found, strict=True):
            for face, distance in zip(vectors.faces[rows].tolist(), distances.tolist(), strict=True):
                best[face] = min(best.get(face, (math.inf, "")), (distance, name))
        people.name_faces(self._database, {face: name for face, (_, name) in best.items()})
        return len(best)

    def contact_sheets(
        self,
        folder: str | os.PathLike[str],
        smallest: int = 2,
        cut: float | None = None,
        progress: Callable[[int, int], object] = lambda done, total: None,
    ) -> int:
        """Write an HTML page for each group with at least so many faces, cut out of the photos, and an index of them.

        The groups are those of `groups(cut)`.  Returns the number of faces that could not be cut out, because their photo cannot
        be read now.

        Raises
        ------
        InvalidArgument
            If the folder cannot be written to.
        """
        least = as_number(smallest, "FaceIndex.contact_sheets: smallest")
        groups = [group for group in self.groups(cut) if len(group.faces) >= least]
        return write_contact_sheets(self._database, groups, folder, progress)

    def forget(self, who: str | os.PathLike[str]) -> int:
        """Remove a named person, or a photo, from the index without a trace.

        Of a person, all faces are removed that were given the name or are in the person's group.  The bytes are overwritten, in
        the file and in those beside it.  The photos stay in the index without these faces, and are not looked at again as long as
        they do not change, except with `again`; their paths stay.  A photo is removed with all its faces; the next run adds it
        again if it is still there.

        Parameters
        ----------
        who : str or path
            The name of a person, or else the path of a photo in the index.

        Returns
        -------
        int
            The number of faces removed.

        Raises
        ------
        InvalidArgument
            If nobody and nothing in the index is called so, or if faces are in no group yet: some may be the person's.
        """
        if not isinstance(who, (str, os.PathLike)):
            raise InvalidType(f"FaceIndex.forget: expected a name or a path, got {shown(who)}")
        removed = people.forget(self._database, os.fsdecode(who))
        self._mapped = None
        return removed

    def prune(self) -> int:
        """Remove the photos that have vanished from disk, with their faces; returns their number."""
        with self._database.transaction() as connection:
            return connection.execute("DELETE FROM photos WHERE vanished").rowcount

    @contextlib.contextmanager
    def _only_writer(self) -> Iterator[None]:
        """Hold a lock, which the system releases even if the process is killed, against a second run on the same file."""
        if self._database.is_read_only:
            raise InvalidArgument(f"{self.path}: expected an index that can be written, got a read-only one")
        with contextlib.ExitStack() as stack:
            try:
                lock = sqlite3.connect(f"{self.path}.lock", timeout=0, isolation_level=None)
                stack.callback(lock.close)
                lock.execute("BEGIN EXCLUSIVE")
            except sqlite3.Error as error:
                if "locked" not in str(error):
                    raise NpFaceApiError(f"{self.path}.lock: expected a file to write to, got: {error}") from None
                raise NpFaceApiError(
                    f"{self.path}: expected to be the only one to add photos, got another process that does"
                ) from None
            try:
                yield
            finally:
                with contextlib.suppress(OSError):
                    os.unlink(f"{self.path}.lock")


class FoundFace(NamedTuple):
    """A face of the index.

    Attributes
    ----------
    face : int
        Its number in the index.
    path : str
        The photo.
    box : Rect
        In pixels of the photo.
    score : float
        The detector's.
    person : str or None
        The name that it was given.
    distance : float
        To the descriptor that was searched for.
    time : float or None
        In a video, the time in seconds of the frame with this box; None in a photo.
    """

    face: int
    path: str
    box: Rect
    score: float
    person: str | None
    distance: float
    time: float | None = None


class FoundFiles(NamedTuple):
    """The files among photos and folders: absolute, sorted; the absolute paths given; what could not be read or was left out."""

    paths: list[str]
    roots: list[str]
    problems: list[str]
    left_out: Counter[str]


def files_of(photos: str | os.PathLike[str] | Iterable[str | os.PathLike[str]]) -> FoundFiles:
    """Find the photos given by name and in folders.

    Raises
    ------
    InvalidArgument, InvalidType
        If there is no such file or folder.
    """
    each = [photos] if isinstance(photos, (str, bytes, os.PathLike)) else photos
    if not isinstance(each, Iterable):
        raise InvalidType(f"FaceIndex.add: expected paths of photos or folders, got {shown(photos)}")
    roots, paths, problems, left_out = [], [], [], Counter[str]()
    for photo in each:
        if not isinstance(photo, (str, bytes, os.PathLike)):
            raise InvalidType(f"FaceIndex.add: expected paths of photos or folders, got {shown(photo)}")
        root = os.path.abspath(os.fsdecode(photo))
        roots.append(root)
        if os.path.isdir(root):
            found = find_photos(root, suffixes_at_hand())
            paths += found.files
            problems += found.problems
            left_out += found.left_out
        elif os.path.lexists(root):
            paths.append(root)
        else:
            raise ImageNotFoundError(f"{os.fsdecode(photo)}: expected a photo or a folder, got no such file")
    return FoundFiles(sorted(set(paths)), roots, problems, left_out)


def _number(value: Any) -> Any:
    """A number of a row as SQLite takes it; anything else as it is, which is in no row."""
    return int(value) if isinstance(value, np.integer) else value


def _differences(before: dict[str, Any], now: dict[str, Any]) -> str:
    """Which settings differ: "alignment dlib (was face-api)"."""
    flat = [{**settings, **settings["options"]} for settings in (before, now)]
    names = [name for name in dict.fromkeys([*flat[1], *flat[0]]) if name != "options" and flat[0].get(name) != flat[1].get(name)]
    return ", ".join(f"{name} {flat[1].get(name, 'none')} (was {flat[0].get(name, 'none')})" for name in names)
