"""Reading the golden cases: `cases.json` and the tensors beside it, which have the format of the weights."""

from __future__ import annotations

import functools
import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from npfaceapi.conformance.synthetic import synthetic
from npfaceapi.errors import GoldenError, WeightsError
from npfaceapi.weights import OwnShards, data_folder, read_tensors

if TYPE_CHECKING:
    from importlib.abc import Traversable

__all__ = ["Case", "GoldenCases"]

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Case:
    """One golden case, as `cases.json` has it."""

    name: str
    level: str
    set: str
    expected: list[dict[str, Any]]
    net: str = ""
    inputs: list[Any] = field(default_factory=list)
    attributes: dict[str, Any] = field(default_factory=dict)
    ambiguous: list[dict[str, Any]] = field(default_factory=list)


class GoldenCases:
    """The golden cases of a folder.

    Parameters
    ----------
    folder : path, optional
        Default: `golden/` of the checkout, else the core cases that the package carries.

    Raises
    ------
    GoldenError
        The folder holds no golden cases, or damaged ones.
    """

    def __init__(self, folder: str | os.PathLike[str] | None = None) -> None:
        self.folder: Traversable = data_folder("golden") if folder is None else Path(folder)
        head = self._json("cases.json")
        try:
            self.tolerances: dict[str, dict[str, float]] = head["tolerances"]
            self._sets: dict[str, str] = head["sets"]
            cases = [Case(**case) for case in head["cases"]]
        except (KeyError, TypeError) as error:
            raise GoldenError(f"{self.folder}/cases.json: expected golden cases of format 1, got {error}") from None
        self.sets = {name for name, manifest in self._sets.items() if self.folder.joinpath(manifest).is_file()}
        if not self.sets:
            raise GoldenError(f"{self.folder}: expected one of {', '.join(self._sets.values())}, got none of them")
        self.all_cases = cases
        self.cases = [case for case in cases if case.set in self.sets]
        self.missing = len(cases) - len(self.cases)

    def _read(self, name: str) -> bytes:
        try:
            return self.folder.joinpath(name).read_bytes()
        except OSError as error:
            raise GoldenError(f"{self.folder}/{name}: expected a file of golden cases, got {error.strerror or error}") from None

    def _json(self, name: str) -> Any:
        try:
            return json.loads(self._read(name))
        except (json.JSONDecodeError, UnicodeDecodeError) as error:
            raise GoldenError(f"{self.folder}/{name}: expected JSON, got {error}") from None

    @functools.cached_property
    def _tensors(self) -> dict[str, Array]:
        tensors: dict[str, Array] = {}
        for name in sorted(self.sets):
            manifest = self._sets[name]
            parent = manifest.rpartition("/")[0]

            def read(path: str, parent: str = parent) -> bytes:
                return self._read(f"{parent}/{path}" if parent else path)

            try:
                tensors.update(read_tensors(self._read(manifest), OwnShards(read), manifest))
            except WeightsError as error:
                raise GoldenError(str(error)) from None
        return tensors

    def has(self, name: str) -> bool:
        """Whether a tensor of that name is stored in the sets at hand."""
        return name in self._tensors

    def tensor(self, name: str) -> Array:
        """A stored tensor by its name in the manifest."""
        if name not in self._tensors:
            raise GoldenError(f"{self.folder}: expected tensor {name} in the manifests, got none")
        return self._tensors[name]

    def inputs(self, case: Case) -> list[Array]:
        """The inputs of a case: stored ones (RGB bytes as uint8), and made ones."""
        arrays = []
        for source in case.inputs:
            if isinstance(source, str):
                value = self.tensor(source)
                arrays.append(value.astype(np.uint8) if source.startswith("input/") else value)
            else:
                arrays.append(synthetic(**source["synthetic"]))
        return arrays
