"""Reads the golden cases: files of cases, and tensors in the format of the weights."""

from __future__ import annotations

import functools
import hashlib
import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from npfaceapi.conformance.synthetic import synthetic
from npfaceapi.errors import GoldenError, WeightsError, shown
from npfaceapi.faces.points import is_number
from npfaceapi.networks.registry import split
from npfaceapi.networks.unbundled import VARIABLE, WHERE, folder_at_hand
from npfaceapi.reading.files import open_inside, plain_name, read_up_to, reason_of
from npfaceapi.reading.json_text import read_json
from npfaceapi.weights import OwnShards, Shards, ShardsInFolder, data_folder, is_shape, read_tensors

if TYPE_CHECKING:
    from importlib.abc import Traversable

__all__ = ["WEIGHTS_WANTED", "Case", "GoldenCases", "folder_near", "synthetic_weights"]

Array = np.ndarray[Any, Any]
_MAX_BYTES, _LARGEST = 2**28, 2**24  # bytes of cases.json or a manifest; numbers in a synthetic tensor


#: The message about cases whose weights are missing.
WEIGHTS_WANTED = f"need weights that are not bundled: --weights DIR or {VARIABLE} names a folder with them; {WHERE}"

#: The cases for bundled weights, and those for other published weights, which the package does not contain.
_FILES = ("cases.json", "unbundled/cases.json")
#: A file that lists all cases; the package contains only some.
_WHOLE = "full/full-weights_manifest.json"


@dataclass(frozen=True)
class Case:
    """One golden case, as in `cases.json`, with the folder for weights that are not bundled."""

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
        """The weights that are not bundled, by network: SHA-256 by file.  Decoding needs none: it gets raw outputs."""
        return {} if self.level == "decode" else self.attributes.get("weights", {})

    @property
    def has_weights(self) -> bool:
        """Whether all weights that it needs are present."""
        paths = [os.path.join(self.weights_folder, file) for files in self.weights.values() for file in files]
        return not paths or (self.weights_folder != "" and all(map(os.path.isfile, paths)))


_TEXTS, _LISTS = ("name", "level", "set", "net"), ("expected", "inputs", "ambiguous")


def _case(stated: Any, weights_folder: str) -> Case:
    """One case of `cases.json`; its attributes are checked when its question is made."""
    _check(isinstance(stated, dict) and isinstance(stated.get("name"), str), "a case without a name", stated)
    _check({"level", "set", "expected"} <= set(stated) <= {*_TEXTS, *_LISTS, "attributes"}, "a case with the fields", [*stated])
    for key, value in stated.items():
        kind = str if key in _TEXTS else list if key in _LISTS else dict
        _check(isinstance(value, kind), f"{stated['name']} with {key}", value)
    answers = [entry.get("name") if isinstance(entry, dict) else None for entry in stated["expected"]]
    for name in (stated["name"], *answers):  # they become file names
        _check(isinstance(name, str) and plain_name(name).isprintable(), f"{stated['name']} with the name", name)
    for source in stated.get("inputs", ()):
        if not isinstance(source, str):
            _check(isinstance(source, dict) and set(source) == {"synthetic"}, f"{stated['name']} with the input", source)
            _check_rule(source["synthetic"])
    _check_weights(stated.get("attributes", {}).get("weights", {}))
    return Case(**stated, weights_folder=weights_folder)


def _check_weights(stated: Any) -> None:
    """Raise GoldenError unless this is `{network: {file: SHA-256}}`."""
    _check(isinstance(stated, dict), "the weights", stated)
    for name, files in stated.items():
        whole = (found := split(name)) is not None and found[1] not in found[0].parts
        _check(whole and isinstance(files, dict) and files != {}, f"for weights of {name}", files)
        for file, digest in files.items():
            _check("/" not in plain_name(file) and isinstance(digest, str), "weights in the file", file)


def _check_rule(rule: Any, *more: str) -> None:
    """Raise GoldenError unless this is a rule for a synthetic tensor; `more` are its other fields."""
    good = isinstance(rule, dict) and set(rule) == {"seed", "shape", "low", "high", *more}
    good = good and type(rule["seed"]) is int and is_shape(rule["shape"], _LARGEST)
    limit = float(np.finfo(np.float32).max) / 2
    _check(good and all(is_number(rule[key]) and abs(rule[key]) <= limit for key in ("low", "high")), "the rule", rule)


def synthetic_weights(rules: Any) -> dict[str, Array]:
    """The weights that a case gives by rules, for a network without published weights."""
    try:
        _check(isinstance(rules, list), "the rules", rules)
        for rule in rules:
            _check_rule(rule, "name")
        return {str(rule["name"]): synthetic(rule["seed"], rule["shape"], rule["low"], rule["high"]) for rule in rules}
    except ValueError as error:
        raise GoldenError(f"cases.json: expected rules of synthetic weights, got {error}") from None


def _check(is_good: bool, what: str, value: object) -> None:
    if not is_good:
        raise ValueError(f"{what} {shown(value)}")


def folder_near(start: Path) -> Path | None:
    """The folder `golden` of the clone of the repository at or above `start`; None if there is none."""
    for folder in (start, *start.parents):
        if all((folder / "golden" / name).is_file() for name in ("cases.json", _WHOLE)):
            return folder / "golden"
    return None


class GoldenCases:
    """The golden cases of a folder.

    Parameters
    ----------
    folder : path, optional
        Default: `golden/` of the checkout, else the core cases in the package.
    weights : path, optional
        Folder of weights that are not bundled; default: the environment variable NPFACEAPI_TINY_YOLOV2.

    Attributes
    ----------
    all_cases, cases : list of Case
        All cases, and those whose tensors and weights are present.
    missing : int
        Number of cases without their tensors.
    without_weights : list of Case
        Cases with tensors but without weights.

    Raises
    ------
    GoldenError
        The folder holds no golden cases, or damaged ones.
    """

    def __init__(self, folder: str | os.PathLike[str] | None = None, weights: str | os.PathLike[str] | None = None) -> None:
        self.folder: Traversable = data_folder("golden") if folder is None else Path(folder)
        self._is_own = folder is None
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

    def _read_cases(self, file: str) -> None:
        text = self._read(file)
        try:
            head = read_json(text)
            for key, kind in (("tolerances", dict), ("sets", dict), ("cases", list)):
                _check(isinstance(head, dict) and isinstance(head.get(key), kind), f"for {key}", head)
            self.tolerances.update(head["tolerances"])
            self._sets.update({name: plain_name(str(manifest)) for name, manifest in head["sets"].items()})
            self.all_cases += [_case(stated, self.weights_folder) for stated in head["cases"]]
            count = len(self.all_cases)
            _check(len({case.name for case in self.all_cases}) == count, "names of cases twice in", count)
        except ValueError as error:
            raise GoldenError(f"{self.folder}/{file}: expected golden cases of format 1 (JSON), got {error}") from None

    def _read(self, name: str) -> bytes:
        try:
            if self._is_own or not isinstance(self.folder, Path):
                return self.folder.joinpath(name).read_bytes()
            with open_inside(self.folder, name) as file:
                return read_up_to(file, _MAX_BYTES)
        except (OSError, ValueError) as error:
            raise GoldenError(f"{self.folder}/{name}: expected a file of golden cases, got {reason_of(error)}") from None

    @functools.cached_property
    def _tensors(self) -> dict[str, Array]:
        tensors: dict[str, Array] = {}
        for name in sorted(self.sets):
            manifest = self._sets[name]
            parent, slash, _ = manifest.rpartition("/")
            shards: Shards = OwnShards(lambda path, start=parent + slash: self._read(start + path))  # type: ignore[misc]
            if not self._is_own and isinstance(self.folder, Path):
                shards = ShardsInFolder(self.folder / parent)
            try:
                tensors.update(read_tensors(self._read(manifest), shards, manifest))
            except WeightsError as error:
                raise GoldenError(str(error)) from None
        return tensors

    @property
    def digest(self) -> str:
        """A short hash of the questions and expected answers of the cases for bundled weights."""
        cases = [(c.name, c.inputs, c.attributes, c.expected) for c in self.all_cases if c.set != "unbundled"]
        return hashlib.sha256(json.dumps(sorted(cases, key=lambda case: case[0]), sort_keys=True).encode()).hexdigest()[:12]

    def has(self, name: str) -> bool:
        """Whether a tensor of that name is stored in the sets that are present."""
        return name in self._tensors

    def tensor(self, name: str) -> Array:
        """A stored tensor by its name in the manifest."""
        if name not in self._tensors:
            raise GoldenError(f"{self.folder}: expected tensor {name} in the manifests, got none")
        return self._tensors[name]

    def inputs(self, case: Case) -> list[Array]:
        """The inputs of a case: stored ones (RGB bytes as uint8), and synthetic ones."""
        arrays = []
        for source in case.inputs:
            if isinstance(source, str):
                value = self.tensor(source)
                arrays.append(value.astype(np.uint8) if source.startswith("input/") else value)
            else:
                arrays.append(synthetic(**source["synthetic"]))
        return arrays
