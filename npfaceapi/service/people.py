"""The known people of the service: a folder of photos, or the named people of an index."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from npfaceapi.collection.face_index import FaceIndex
from npfaceapi.display.standard_error import say
from npfaceapi.errors import InvalidArgument, NpFaceApiError
from npfaceapi.faces.matcher import FaceMatcher, LabeledFaceDescriptors
from npfaceapi.photos.folders import FoundPhotos, find_photos
from npfaceapi.service.answering import Answer
from npfaceapi.service.limits import Refused
from npfaceapi.service.questions import Question
from npfaceapi.service.workers import Workers

__all__ = ["People"]


class People:
    """Known people; photos are read in the background, while the service already answers.

    Parameters
    ----------
    path : Path
        A folder as for `npfaceapi match`: for each person a photo of that name, or a subfolder of photos.  Or an index.

    Raises
    ------
    InvalidArgument
        If there is neither, or no photo in the folder, or no name in the index.

    Attributes
    ----------
    count : int
        The number of people, as far as they are read.
    failure : str or None
        Why there are none.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._labels: list[LabeledFaceDescriptors] | None = None
        self._found = FoundPhotos()
        self.failure: str | None = None
        self.alignment, self.average_mirror = "dlib", False  # as npfaceapi match
        if os.path.isdir(path):
            self._found = find_photos(path)
            if not self._found.files:
                rest = self._found.left_out_line()
                reasons = ["none", *self._found.problems, *([f"left out {rest}"] if rest else [])]
                raise InvalidArgument(f"--people {path}: expected photos of known people, got {'; '.join(reasons)}")
        elif os.path.isfile(path) and os.path.getsize(path):  # `FaceIndex` would make an index of an empty file
            self._labels = self._of_index()
        else:
            got = "an empty file" if os.path.isfile(path) else "something else" if os.path.exists(path) else "no such file"
            raise InvalidArgument(f"--people {path}: expected a folder of known people or an index, got {got}")

    @property
    def count(self) -> int:
        return len(self._labels or ())

    def matcher(self, distance: float) -> FaceMatcher:
        """The matcher, once they are read."""
        if self._labels is None:
            raise Refused(503, self.failure or "expected known people that are read, got some still being read: try again soon")
        return FaceMatcher(self._labels, distance)

    async def read(self, workers: Workers) -> None:
        """Read the photos; prints what fails."""
        for problem in self._found.problems:
            say(f"npfaceapi serve: {problem}")
        if self._found.files:
            self._labels = await self._of_folder(workers)
        if self._labels is None:
            what = "expected photos of known people with faces, got none"
            self.failure = f"--people: {what}"  # anybody may ask for it, and a path is nobody's concern
            say(f"npfaceapi serve: --people {self._path}: {what}")

    def _of_index(self) -> list[LabeledFaceDescriptors]:
        try:
            with FaceIndex(self._path) as index:
                self.alignment, self.average_mirror = index.worker.alignment, index.worker.average_mirror
                labels = index.labels()
        except NpFaceApiError as error:
            raise InvalidArgument(f"--people {error}") from None
        if not labels:
            raise InvalidArgument(
                f"--people {self._path}: expected an index with named people, got none: npfaceapi name gives names"
            )
        return labels

    async def _of_folder(self, workers: Workers) -> list[LabeledFaceDescriptors] | None:
        files = self._found.files
        few = asyncio.Semaphore(workers.count)  # photos in memory

        async def describe(file: str) -> NDArray[np.float32] | None:
            async with few:
                return await self._descriptor(workers, file)

        people: dict[str, list[NDArray[np.float32]]] = {}
        for file, descriptor in zip(files, await asyncio.gather(*map(describe, files)), strict=True):
            relative = Path(file).relative_to(self._path)
            if descriptor is not None:
                people.setdefault(relative.parts[0] if len(relative.parts) > 1 else relative.stem, []).append(descriptor)
        return [LabeledFaceDescriptors(name, descriptors) for name, descriptors in people.items()] or None

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
