"""The predictions of the expression network and of the age and gender network.

Source: face-api.js 0.22.2, `faceExpressionNet/FaceExpressions`, `ageGenderNet/types`.
"""

from __future__ import annotations

import enum
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from npfaceapi.errors import InvalidArgument, InvalidType, shown
from npfaceapi.faces.points import as_number

__all__ = [
    "FACE_EXPRESSION_LABELS",
    "AgeAndGenderPrediction",
    "ExpressionProbability",
    "FaceExpressions",
    "Gender",
    "as_gender",
]

FACE_EXPRESSION_LABELS: tuple[str, ...] = ("neutral", "happy", "sad", "angry", "fearful", "disgusted", "surprised")


class Gender(enum.StrEnum):
    """The labels of the gender network; equal to the strings "female" and "male".

    Examples
    --------
    >>> Gender("male") == "male"
    True
    """

    FEMALE = "female"
    MALE = "male"


class ExpressionProbability(NamedTuple):
    """An entry of `FaceExpressions.as_sorted_array()`."""

    expression: str
    probability: float


@dataclass(frozen=True, slots=True, init=False, eq=False)
class FaceExpressions(Mapping[str, float]):
    """The probabilities of seven expressions, as attributes and as a mapping in the order of FACE_EXPRESSION_LABELS.

    Parameters
    ----------
    probabilities : sequence or array of 7 numbers, or a mapping with the seven labels

    Examples
    --------
    >>> expressions = FaceExpressions([0.1, 0.8, 0, 0, 0, 0, 0.1])
    >>> expressions.happy, expressions["sad"], expressions.as_sorted_array()[0].expression
    (0.8, 0.0, 'happy')
    """

    neutral: float
    happy: float
    sad: float
    angry: float
    fearful: float
    disgusted: float
    surprised: float

    def __init__(self, probabilities: ArrayLike | Mapping[str, float]) -> None:
        if isinstance(probabilities, Mapping):
            if set(probabilities) != set(FACE_EXPRESSION_LABELS):
                given = shown([*probabilities])
                raise InvalidArgument(f"FaceExpressions: expected the labels {FACE_EXPRESSION_LABELS}, got {given}")
            probabilities = [probabilities[label] for label in FACE_EXPRESSION_LABELS]
        if not isinstance(probabilities, (Sequence, np.ndarray)) or isinstance(probabilities, str):
            raise InvalidType(f"FaceExpressions: expected 7 probabilities, got {type(probabilities).__name__}")
        is_number_alone = isinstance(probabilities, np.ndarray) and not probabilities.ndim
        if is_number_alone or len(probabilities) != len(FACE_EXPRESSION_LABELS):
            raise InvalidArgument(f"FaceExpressions: expected 7 probabilities, got {shown(probabilities)}")
        for label, value in zip(FACE_EXPRESSION_LABELS, probabilities, strict=True):
            object.__setattr__(self, label, as_number(value, f"FaceExpressions.{label}"))

    def as_sorted_array(self) -> list[ExpressionProbability]:
        """Pairs (expression, probability), most probable first; equal ones keep the order of the labels."""
        return sorted((ExpressionProbability(*item) for item in self.items()), key=lambda pair: -pair.probability)

    def to_dict(self) -> dict[str, float]:
        """The probabilities by label in plain JSON types."""
        return dict(self)

    def __getitem__(self, label: str) -> float:
        if not isinstance(label, str) or label not in FACE_EXPRESSION_LABELS:
            raise KeyError(label)
        return float(getattr(self, label))

    def __iter__(self) -> Iterator[str]:
        return iter(FACE_EXPRESSION_LABELS)

    def __len__(self) -> int:
        return len(FACE_EXPRESSION_LABELS)

    def __hash__(self) -> int:
        return hash(tuple(self.values()))

    def _repr_html_(self) -> str:
        """The probabilities as bars, for a notebook."""
        from npfaceapi.display.face_markup import expression_bars

        return expression_bars(self)


@dataclass(frozen=True, slots=True)
class AgeAndGenderPrediction:
    """Age in years, gender, and the probability of that gender (0.5 to 1).

    Examples
    --------
    >>> AgeAndGenderPrediction(32, "female", 0.87).to_dict()
    {'age': 32.0, 'gender': 'female', 'gender_probability': 0.87}
    """

    age: float
    gender: Gender
    gender_probability: float

    def __post_init__(self) -> None:
        object.__setattr__(self, "age", as_number(self.age, "AgeAndGenderPrediction.age"))
        object.__setattr__(self, "gender", as_gender(self.gender, "AgeAndGenderPrediction.gender"))
        where = "AgeAndGenderPrediction.gender_probability"
        object.__setattr__(self, "gender_probability", as_number(self.gender_probability, where))

    def to_dict(self) -> dict[str, Any]:
        """The fields in plain JSON types."""
        return {"age": self.age, "gender": self.gender.value, "gender_probability": self.gender_probability}


def as_gender(value: object, where: str) -> Gender:
    """A `Gender` from "male" or "female"; `where` begins the message of the error."""
    try:
        return Gender(value if isinstance(value, str) else "")
    except ValueError:
        raise InvalidArgument(f'{where}: expected "male" or "female", got {shown(value)}') from None
