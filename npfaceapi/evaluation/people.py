"""The face in a photo of one person, and its descriptor, for the recognition protocols."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from npfaceapi.errors import ImageError
from npfaceapi.evaluation.kept_results import Progress, kept_results, packed, unpacked
from npfaceapi.faces.results import FaceResult
from npfaceapi.networks.options import FaceDetectionOptions, SsdMobilenetv1Options
from npfaceapi.photos.loading import load_image
from npfaceapi.tasks import detect_all_faces

__all__ = ["Describe", "DescribedPhotos", "nearest_to_the_middle"]


def nearest_to_the_middle(faces: Sequence[FaceResult], width: int, height: int) -> FaceResult | None:
    """The face whose box is centred nearest to the centre of a photo of that size; None without faces."""

    def distance(face: FaceResult) -> float:
        box = face.detection.box
        return float(np.hypot(box.x + box.width / 2 - width / 2, box.y + box.height / 2 - height / 2))

    return min(faces, key=distance, default=None)


@dataclasses.dataclass(frozen=True)
class Describe:
    """Finds the face nearest to the centre of a photo, and computes its descriptor.

    Parameters
    ----------
    options : SsdMobilenetv1Options and others
        Options of the detector.
    alignment, average_mirror
        As in `with_face_descriptors`.
    """

    options: FaceDetectionOptions = dataclasses.field(default_factory=SsdMobilenetv1Options)
    alignment: str = "face-api"
    average_mirror: bool = False

    def __call__(self, path: str) -> dict[str, Any]:
        """The stored result for a photo; the object is pickled for the workers."""
        try:
            image = load_image(path)
        except ImageError as error:
            return {"error": str(error)}
        task = detect_all_faces(image, self.options).with_face_landmarks()
        faces = task.with_face_descriptors(self.alignment, self.average_mirror).run()
        face = nearest_to_the_middle(faces, image.shape[1], image.shape[0])
        if face is None or face.descriptor is None:
            return {"faces": len(faces)}
        assert face.landmarks is not None
        box = face.detection.box
        return {
            "faces": len(faces),
            "score": face.detection.score,
            "box": [box.x, box.y, box.width, box.height],
            "landmarks": packed(face.landmarks.positions),
            "descriptor": packed(face.descriptor),
        }

    def photos(self, paths: Sequence[str], cache: Path | None, progress: Progress) -> DescribedPhotos:
        """The descriptors of all photos, computed on all cores."""
        return DescribedPhotos(kept_results(paths, self, repr(self), cache, progress))


class DescribedPhotos:
    """Photos with the descriptor of their face, and the photos without one.

    Attributes
    ----------
    descriptors : dict of float32 array [128]
    without_face : list of str
    unreadable : dict of str
        The reason for each.
    """

    def __init__(self, results: dict[str, dict[str, Any]]) -> None:
        self.results = results
        self.descriptors = {path: unpacked(result["descriptor"]) for path, result in results.items() if "descriptor" in result}
        self.unreadable = {path: result["error"] for path, result in results.items() if "error" in result}
        self.without_face = [path for path in results if path not in self.descriptors and path not in self.unreadable]

    def counts(self) -> dict[str, Any]:
        """The numbers of photos, of those without a face and of unreadable ones, with the reasons."""
        return {
            "photos": len(self.results), "photos_without_face": len(self.without_face),
            "photos_unreadable": len(self.unreadable), "unreadable": list(self.unreadable.values()),
        }  # fmt: skip

    def distances(self, pairs: Sequence[tuple[str, str]]) -> NDArray[np.float64]:
        """Euclidean distances of pairs of photos; infinity if one has no face."""
        found = self.descriptors
        return np.array(
            [np.linalg.norm(found[a].astype(float) - found[b]) if a in found and b in found else np.inf for a, b in pairs]
        )
