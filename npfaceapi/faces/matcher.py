"""Face matching: the known person whose descriptors are nearest to that of a face.

Source: face-api.js 0.22.2, `globalApi/FaceMatcher`, `classes/FaceMatch`, `classes/LabeledFaceDescriptors`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from npfaceapi.errors import InvalidArgument, InvalidType, shown
from npfaceapi.faces.js_numbers import js_number, js_numbers, js_string, round_down
from npfaceapi.faces.points import as_descriptor, as_flag, as_number, as_vector, field_of, is_number
from npfaceapi.reading.json_text import read_json

__all__ = ["FaceMatch", "FaceMatcher", "LabeledFaceDescriptors", "distances_to", "euclidean_distance"]

Descriptor = NDArray[np.float32]


class HasDescriptor(Protocol):
    """A result with a descriptor, such as a `FaceResult`."""

    @property
    def descriptor(self) -> Descriptor | None: ...


#: An input of `FaceMatcher`: a known person, or one face of a person.
Known: TypeAlias = "LabeledFaceDescriptors | HasDescriptor | NDArray[np.number]"

DEFAULT_THRESHOLD = 0.6
UNKNOWN = "unknown"
BLOCK = 256  # descriptors per block: the squared differences stay in cache


def euclidean_distance(arr1: ArrayLike, arr2: ArrayLike) -> float:
    """The Euclidean distance between two vectors of the same length, computed in float64.

    Raises
    ------
    InvalidArgument
        If the lengths differ, or an argument is not a vector of numbers.

    Notes
    -----
    Descriptors of the same person are usually closer than 0.6.

    Examples
    --------
    >>> euclidean_distance([0, 0], [3, 4])
    5.0
    """
    first, second = as_vector(arr1, "euclidean_distance"), as_vector(arr2, "euclidean_distance")
    if len(first) != len(second):
        raise InvalidArgument(f"euclidean_distance: expected two vectors of one length, got {len(first)} and {len(second)}")
    return float(distances_to(first[:, np.newaxis], second)[0])


@dataclass(frozen=True, slots=True)
class FaceMatch:
    """The best match of a face: the label of a known person, or "unknown", and the distance.

    Examples
    --------
    >>> str(FaceMatch("Eileen", 0.456))
    'Eileen (0.45)'
    """

    label: str
    distance: float

    def __post_init__(self) -> None:
        if not isinstance(self.label, str):
            raise InvalidType(f"FaceMatch.label: expected a string, got {shown(self.label)}")
        object.__setattr__(self, "distance", as_number(self.distance, "FaceMatch.distance"))

    def to_string(self, with_distance: bool = True) -> str:
        """The label, followed by the distance in parentheses.

        Quirk: the distance is rounded down to two decimals with its binary error: 0.29 shows as 0.28.
        """
        if not as_flag(with_distance, "FaceMatch.to_string"):
            return self.label
        return f"{self.label} ({js_number(round_down(self.distance))})"

    def to_dict(self) -> dict[str, Any]:
        """The fields in plain JSON types."""
        return {"label": self.label, "distance": self.distance}

    def __str__(self) -> str:
        return self.to_string()


@dataclass(frozen=True, slots=True, init=False, eq=False, repr=False)
class LabeledFaceDescriptors:
    """The descriptors of one known person.

    Parameters
    ----------
    label : str
        The name.
    descriptors : sequence of arrays [128], or array [n,128]
        Kept as read-only float32 copies; may be empty.

    Raises
    ------
    InvalidArgument, InvalidType
        If the label is not a string, or the descriptors are not vectors of finite numbers.

    Examples
    --------
    >>> known = LabeledFaceDescriptors("Eileen", [[0.5, 0.25]])
    >>> known.to_json()
    '{"label":"Eileen","descriptors":[[0.5,0.25]]}'
    >>> LabeledFaceDescriptors.from_json(known.to_json()) == known
    True
    """

    label: str
    descriptors: tuple[Descriptor, ...]

    def __init__(self, label: str, descriptors: Sequence[ArrayLike] | NDArray[np.number]) -> None:
        if not isinstance(label, str):
            raise InvalidType(f"LabeledFaceDescriptors: expected label to be a string, got {shown(label)}")
        if isinstance(descriptors, (str, bytes)) or not isinstance(descriptors, (Sequence, np.ndarray)):
            raise InvalidType(f"LabeledFaceDescriptors: expected a list of descriptors, got {type(descriptors).__name__}")
        if len(descriptors) and is_number(descriptors[0]):
            raise InvalidArgument(
                f"LabeledFaceDescriptors: expected a vector of numbers for each face, got a single one of {len(descriptors)} "
                "numbers: pass [descriptor]"
            )
        object.__setattr__(self, "label", label)
        object.__setattr__(self, "descriptors", tuple(as_descriptor(d, "LabeledFaceDescriptors") for d in descriptors))

    def to_dict(self) -> dict[str, Any]:
        """What face-api.js's `toJSON` returns: the label, and the descriptors as lists of numbers."""
        return {"label": self.label, "descriptors": [d.tolist() for d in self.descriptors]}

    def to_json(self) -> str:
        """The same JSON text as face-api.js, byte for byte."""
        vectors = ",".join(js_numbers(d.tolist()) for d in self.descriptors)
        return f'{{"label":{js_string(self.label)},"descriptors":[{vectors}]}}'

    @classmethod
    def from_json(cls, json: str | bytes | Mapping[str, Any]) -> LabeledFaceDescriptors:
        """The descriptors from JSON text, or from the mapping parsed from it; raises InvalidArgument on anything else.

        A descriptor is a list of numbers, or a Float32Array as `JSON.stringify` writes it: {"0": 0.1, "1": ...}.
        """
        return cls._from_dict(_parsed(json, "LabeledFaceDescriptors.from_json"))

    @classmethod
    def _from_dict(cls, data: object) -> LabeledFaceDescriptors:
        where = "LabeledFaceDescriptors.from_json"
        if not isinstance(data, Mapping) or "label" not in data or "descriptors" not in data:
            raise InvalidArgument(f"{where}: expected an object with label and descriptors, got {shown(data)}")
        label, descriptors = data["label"], data["descriptors"]
        if not isinstance(label, str) or not isinstance(descriptors, (list, tuple)):
            raise InvalidArgument(f"{where}: expected a string and a list, got {shown(label)} and {shown(descriptors)}")
        return cls(label, [_typed_array(each, where) if isinstance(each, Mapping) else each for each in descriptors])

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, LabeledFaceDescriptors):
            return NotImplemented
        if self.label != other.label or len(self.descriptors) != len(other.descriptors):
            return False
        return all(np.array_equal(a, b) for a, b in zip(self.descriptors, other.descriptors, strict=True))

    def __hash__(self) -> int:
        return hash((self.label, tuple(d.tobytes() for d in self.descriptors)))

    def __repr__(self) -> str:
        return f"<LabeledFaceDescriptors: {self.label!r}, {len(self.descriptors)} descriptors>"


@dataclass(frozen=True, slots=True, init=False, eq=False, repr=False)
class FaceMatcher:
    """Finds the known person nearest to a face.

    Parameters
    ----------
    inputs : LabeledFaceDescriptors, result with a descriptor, array [128], or a list of these
        The known faces, at least one; those without a label become "person 1", "person 2", ….
    distance_threshold : float
        Faces at this distance or farther are "unknown"; >= 0.

    Raises
    ------
    InvalidArgument, InvalidType
        If there is no input or an invalid one, descriptors differ in length, or the threshold is negative.

    Notes
    -----
    Quirk: the distance of a person is the mean over their descriptors, not the smallest; the later of two equally near
    persons wins; a person without descriptors has distance 0 and therefore always wins.

    Examples
    --------
    >>> matcher = FaceMatcher([LabeledFaceDescriptors("a", [[0, 0]]), LabeledFaceDescriptors("b", [[1, 1]])])
    >>> str(matcher.find_best_match([0.75, 1])), str(matcher.find_best_match([9, 9]))
    ('b (0.25)', 'unknown (11.31)')
    """

    labeled_descriptors: tuple[LabeledFaceDescriptors, ...]
    distance_threshold: float
    _columns: NDArray[np.float64]

    def __init__(self, inputs: Known | Sequence[Known], distance_threshold: float = DEFAULT_THRESHOLD) -> None:
        if not is_number(distance_threshold) or distance_threshold < 0:
            raise InvalidArgument(f"FaceMatcher.distance_threshold: expected a number >= 0, got {shown(distance_threshold)}")
        known = tuple(_labeled(_each(inputs)))
        if not known:
            raise InvalidArgument("FaceMatcher: expected at least one input, got none")
        vectors = [d for one in known for d in one.descriptors]
        lengths = {len(d) for d in vectors}
        if len(lengths) > 1:
            raise InvalidArgument(f"FaceMatcher: expected descriptors of one length, got lengths {sorted(lengths)}")
        object.__setattr__(self, "labeled_descriptors", known)
        object.__setattr__(self, "distance_threshold", float(distance_threshold))
        object.__setattr__(self, "_columns", np.array(vectors, np.float64).reshape(len(vectors), *lengths or (0,)).T.copy())

    def compute_mean_distance(self, query_descriptor: ArrayLike, descriptors: Sequence[ArrayLike]) -> float:
        """The mean Euclidean distance from a descriptor to several others; 0 if there are none."""
        each: Any = descriptors
        if not isinstance(each, (list, tuple)) and not (isinstance(each, np.ndarray) and each.ndim):
            raise InvalidType(f"FaceMatcher.compute_mean_distance: expected a list of descriptors, got {shown(each)}")
        return _mean([euclidean_distance(d, query_descriptor) for d in descriptors])

    def match_descriptor(self, query_descriptor: ArrayLike) -> FaceMatch:
        """The nearest person, at any distance."""
        query = as_vector(query_descriptor, "FaceMatcher.match_descriptor")
        length, count = self._columns.shape
        if count and len(query) != length:
            raise InvalidArgument(f"FaceMatcher.match_descriptor: expected a descriptor of length {length}, got {len(query)}")
        distances = distances_to(self._columns, query).tolist() if count else []
        best, start = FaceMatch(UNKNOWN, float(np.finfo(np.float64).max)), 0
        for known in self.labeled_descriptors:
            end = start + len(known.descriptors)
            distance = _mean(distances[start:end])
            if distance <= best.distance:
                best = FaceMatch(known.label, distance)
            start = end
        return best

    def find_best_match(self, query_descriptor: ArrayLike) -> FaceMatch:
        """The nearest person if nearer than the threshold, otherwise "unknown" with that distance."""
        best = self.match_descriptor(query_descriptor)
        return best if best.distance < self.distance_threshold else FaceMatch(UNKNOWN, best.distance)

    def to_dict(self) -> dict[str, Any]:
        """What face-api.js's `toJSON` returns, with its names: distanceThreshold, labeledDescriptors."""
        return {
            "distanceThreshold": self.distance_threshold,
            "labeledDescriptors": [known.to_dict() for known in self.labeled_descriptors],
        }

    def to_json(self) -> str:
        """The same JSON text as face-api.js, byte for byte."""
        known = ",".join(each.to_json() for each in self.labeled_descriptors)
        return f'{{"distanceThreshold":{js_number(self.distance_threshold)},"labeledDescriptors":[{known}]}}'

    @classmethod
    def from_json(cls, json: str | bytes | Mapping[str, Any]) -> FaceMatcher:
        """The matcher from JSON text, or from the mapping parsed from it; the threshold is 0.6 if missing."""
        data = _parsed(json, "FaceMatcher.from_json")
        if not isinstance(data, Mapping) or "labeledDescriptors" not in data:
            raise InvalidArgument(f"FaceMatcher.from_json: expected an object with labeledDescriptors, got {shown(data)}")
        known = data["labeledDescriptors"]
        if not isinstance(known, list):
            raise InvalidArgument(f"FaceMatcher.from_json: expected labeledDescriptors to be a list, got {shown(known)}")
        labeled = [LabeledFaceDescriptors._from_dict(each) for each in known]
        return cls(labeled, data.get("distanceThreshold", DEFAULT_THRESHOLD))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, FaceMatcher):
            return NotImplemented
        same = self.distance_threshold == other.distance_threshold
        return same and self.labeled_descriptors == other.labeled_descriptors

    def __hash__(self) -> int:
        return hash((self.distance_threshold, self.labeled_descriptors))

    def __repr__(self) -> str:
        return f"<FaceMatcher: {len(self.labeled_descriptors)} labels, distance_threshold {self.distance_threshold:g}>"


def distances_to(columns: NDArray[np.float64], query: NDArray[np.float64]) -> NDArray[np.float64]:
    """Distances [n] from the columns of [k,n], C-contiguous, to [k]; squares are added in order, as in face-api.js."""
    distances = np.zeros(columns.shape[1])
    for start in range(0, len(distances) if len(query) else 0, BLOCK):
        block = columns[:, start : start + BLOCK]
        with np.errstate(over="ignore"):  # the distance is infinite
            squares = np.square(block - query[:, np.newaxis])
            # NumPy adds rows in order, but a single column by pairwise summation
            distances[start : start + BLOCK] = squares.sum(axis=0) if block.shape[1] > 1 else squares.cumsum(axis=0)[-1]
    return np.sqrt(distances)


def _mean(distances: Sequence[float]) -> float:
    total = 0.0
    for distance in distances:  # in order: sum() compensates rounding errors from Python 3.12 on
        total += distance
    return total / (len(distances) or 1)


def _each(inputs: Any) -> list[Any]:
    if isinstance(inputs, np.ndarray):
        return list(inputs) if inputs.ndim == 2 else [inputs]
    return list(inputs) if isinstance(inputs, (list, tuple)) else [inputs]


def _labeled(inputs: list[Any]) -> list[LabeledFaceDescriptors]:
    known: list[LabeledFaceDescriptors] = []
    count = 0
    for each in inputs:
        if isinstance(each, LabeledFaceDescriptors):
            known.append(each)
            continue
        descriptor = each if isinstance(each, np.ndarray) else field_of(each, "descriptor")
        if not isinstance(descriptor, np.ndarray):
            raise InvalidType(
                "FaceMatcher: expected LabeledFaceDescriptors, results with a descriptor or arrays [128], or a list of these, "
                f"got {shown(each)}"
            )
        count += 1
        known.append(LabeledFaceDescriptors(f"person {count}", [descriptor]))
    return known


def _parsed(text: object, where: str) -> object:
    """Parse JSON text; anything else is returned unchanged."""
    if not isinstance(text, (str, bytes, bytearray)):
        return text
    try:
        return read_json(text, check_floats=False)  # every descriptor is checked later
    except ValueError as error:
        raise InvalidArgument(f"{where}: expected JSON, got an error reading it: {error}") from None


def _typed_array(numbers: Mapping[str, Any], where: str) -> list[Any]:
    """The numbers of an array that JSON stores as an object with the indices as keys."""
    if set(numbers) != {str(i) for i in range(len(numbers))}:
        raise InvalidArgument(f"{where}: expected a list of numbers, or an object with the keys 0, 1, ..., got {shown(numbers)}")
    return [numbers[str(i)] for i in range(len(numbers))]
