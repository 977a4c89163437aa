"""Reading the golden cases: files of cases and the tensors beside them, which have the format of the weights."""

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
from npfaceapi.networks.unbundled import VARIABLE, WHERE, folder_at_hand
from npfaceapi.weights import OwnShards, data_folder, read_tensors

if TYPE_CHECKING:
    from importlib.abc import Traversable

__all__ = ["WEIGHTS_WANTED", "Case", "GoldenCases"]

Array = np.ndarray[Any, Any]


#: What is said of cases without their weights.
WEIGHTS_WANTED = f"need weights that are not bundled: --weights DIR or {VARIABLE} names a folder with them; {WHERE}"

#: The cases of bundled weights, and those of other published weights, which the package does not carry.
_FILES = ("cases.json", "unbundled/cases.json")


@dataclass(frozen=True)
class Case:
    """One golden case, as `cases.json` has it; and the folder where weights that are not bundled are looked for."""

    name: str
    level: str
    set: str
    expected: list[dict[str, Any]]
    net: str = ""
    inputs: list[Any] = field(default_factory=list)
    attributes: dict[str, Any] = field(default_factory=dict)
    ambiguous: list[dict[str, Any]] = field(default_factory=list)
    weights_folder: str = ""

    @property
    def weights(self) -> dict[str, dict[str, str]]:
        """The weights that are not bundled, by network: SHA-256 by file.  Decoding is given what a network said."""
        return {} if self.level == "decode" else self.attributes.get("weights", {})

    @property
    def has_weights(self) -> bool:
        """Whether all weights that it needs are there."""
        paths = [os.path.join(self.weights_folder, file) for files in self.weights.values() for file in files]
        return not paths or (self.weights_folder != "" and all(map(os.path.isfile, paths)))


class GoldenCases:
    """The golden cases of a folder.

    Parameters
    ----------
    folder : path, optional
        Default: `golden/` of the checkout, else the core cases that the package carries.
    weights : path, optional
        Folder of weights that are not bundled; default: the one that the environment variable NPFACEAPI_TINY_YOLOV2 names.

    Attributes
    ----------
    all_cases, cases : list of Case
        All, and those whose tensors and weights are at hand.
    missing : int
        How many lack their tensors.
    without_weights : list of Case
        Those that have them and lack their weights.

    Raises
    ------
    GoldenError
        The folder holds no golden cases, or damaged ones.
    """

    def __init__(self, folder: str | os.PathLike[str] | None = None, weights: str | os.PathLike[str] | None = None) -> None:
        self.folder: Traversable = data_folder("golden") if folder is None else Path(folder)
        self.weights_folder = os.path.abspath(where) if (where := weights or folder_at_hand()) else ""
        self.tolerances: dict[str, dict[str, float]] = {}
        self._sets: dict[str, str] = {}
        self.all_cases: list[Case] = []
        for name in _FILES:
            if name == _FILES[0] or self.folder.joinpath(name).is_file():
                self._read_cases(name)
        self.sets = {name for name, manifest in self._sets.items() if self.folder.joinpath(manifest).is_file()}
        if not self.sets:
            raise GoldenError(f"{self.folder}: expected one of {', '.join(self._sets.values())}, got none of them")
        stored = [case for case in self.all_cases if case.set in self.sets]
        self.missing = len(self.all_cases) - len(stored)
        self.cases: list[Case] = []
        self.without_weights: list[Case] = []
        for case in stored:
            (self.cases if case.has_weights else self.without_weights).append(case)

    def _read_cases(self, name: str) -> None:
        head = self._json(name)
        try:
            self.tolerances.update(head["tolerances"])
            self._sets.update(head["sets"])
            self.all_cases += [Case(**case, weights_folder=self.weights_folder) for case in head["cases"]]
        except (KeyError, TypeError) as error:
            raise GoldenError(f"{self.folder}/{name}: expected golden cases of format 1, got {error}") from None

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
