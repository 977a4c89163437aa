"""The known people of the service: a folder of photos, or the named people of an index."""

from __future__ import annotations

import asyncio
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from npfaceapi.collection.face_index import FaceIndex
from npfaceapi.display.standard_error import say
from npfaceapi.errors import InvalidArgument, NpFaceApiError
from npfaceapi.faces.matcher import FaceMatcher, LabeledFaceDescriptors
from npfaceapi.photos.folders import find_photos
from npfaceapi.service.answering import Answer
from npfaceapi.service.limits import Refused
from npfaceapi.service.questions import Question
from npfaceapi.service.workers import Workers

__all__ = ["People"]


class People:
    """Known people; photos of them are read in the background while the service already answers.

    Parameters
    ----------
    path : Path
        A folder as for `npfaceapi match`: for each person a photo of that name, or a subfolder of photos.  Or an index.

    Raises
    ------
    InvalidArgument
        If there is neither, or a folder without photos, or an index without names.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._files: list[str] = []
        self._labels: list[LabeledFaceDescriptors] | None = None
        self.failure = ""  # why photos of a folder gave nobody
        self.alignment, self.average_mirror = "dlib", False  # as npfaceapi match
        if path.is_dir():
            self._files = find_photos(path).files
            if not self._files:
                raise InvalidArgument(f"--people {path}: expected a folder with photos of known people, got one without photos")
        elif path.exists() and path.stat().st_size:  # an empty file would become an index
            self._labels = self._of_index()
        else:
            kind = "an empty" if path.exists() else "no such"
            raise InvalidArgument(f"--people {path}: expected a folder of known people or an index, got {kind} file")

    def matcher(self, distance: float) -> FaceMatcher:
        """The matcher, once they are read."""
        if self._labels is None:
            raise Refused(503, self.failure or "expected known people that are read, got some still being read: try again soon")
        return FaceMatcher(self._labels, distance)

    @property
    def count(self) -> int:
        """How many there are, 0 until they are read."""
        return len(self._labels or ())

    async def read(self, workers: Workers) -> None:
        """Read the photos; prints what fails."""
        if self._labels is not None:
            return
        try:
            self._labels = await self._of_folder(workers)
        except NpFaceApiError as error:
            self.failure = str(error)
            say(f"npfaceapi serve: {error}")

    def _of_index(self) -> list[LabeledFaceDescriptors]:
        with FaceIndex(self._path) as index:
            self.alignment, self.average_mirror = index.worker.alignment, index.worker.average_mirror
            labels = index.labels()
        if not labels:
            raise InvalidArgument(
                f"--people {self._path}: expected an index with named people, got none: npfaceapi name gives names"
            )
        return labels

    async def _of_folder(self, workers: Workers) -> list[LabeledFaceDescriptors]:
        few = asyncio.Semaphore(workers.count)  # photos in memory

        async def describe(file: str) -> NDArray[np.float32] | None:
            async with few:
                return await self._descriptor(workers, file)

        people: dict[str, list[NDArray[np.float32]]] = {}
        for file, descriptor in zip(self._files, await asyncio.gather(*map(describe, self._files)), strict=True):
            relative = Path(file).relative_to(self._path)
            if descriptor is not None:
                people.setdefault(relative.parts[0] if len(relative.parts) > 1 else relative.stem, []).append(descriptor)
        if not people:
            raise InvalidArgument(f"--people {self._path}: expected photos of known people with faces, got none")
        return [LabeledFaceDescriptors(name, descriptors) for name, descriptors in people.items()]

    async def _descriptor(self, workers: Workers, file: str) -> NDArray[np.float32] | None:
        """The descriptor of the face with the highest score; prints why there is none."""
        asked = Question(parts=frozenset({"descriptors"}), alignment=self.alignment, average_mirror=self.average_mirror)
        try:
            photo = await asyncio.to_thread(Path(file).read_bytes)
            answer: Answer = await workers.ask(file, photo, asked, is_patient=True)
        except NpFaceApiError as error:
            say(f"npfaceapi serve: {error}")
            return None
        except (Refused, OSError) as error:
            say(f"npfaceapi serve: {file}: {error}")
            return None
        best = answer.best()
        if best is None or answer.descriptors[best] is None:
            say(f"npfaceapi serve: {file}: expected a photo of a known person, got one without a face")
            return None
        return answer.descriptors[best]
