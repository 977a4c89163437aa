"""Reading the golden cases: `cases.json` and the tensors beside it, which have the format of the weights."""

from __future__ import annotations

import functools
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from npfaceapi.conformance.synthetic import synthetic
from npfaceapi.errors import GoldenError, WeightsError, shown
from npfaceapi.faces.points import is_number
from npfaceapi.reading.files import open_inside, plain_name, read_up_to, reason_of
from npfaceapi.reading.json_text import read_json
from npfaceapi.weights import OwnShards, Shards, ShardsInFolder, data_folder, is_shape, read_tensors

if TYPE_CHECKING:
    from importlib.abc import Traversable

__all__ = ["Case", "GoldenCases", "synthetic_weights"]

Array = np.ndarray[Any, Any]
_MAX_BYTES, _LARGEST = 2**28, 2**24  # of cases.json and a manifest; of a synthetic tensor, in numbers


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


_TEXTS, _LISTS = ("name", "level", "set", "net"), ("expected", "inputs", "ambiguous")


def _case(stated: Any) -> Case:
    """One case of `cases.json`; what its attributes mean is looked at when it is asked."""
    _check(isinstance(stated, dict) and isinstance(stated.get("name"), str), "a case without a name", stated)
    _check({"level", "set", "expected"} <= set(stated) <= {*_TEXTS, *_LISTS, "attributes"}, "a case with the fields", [*stated])
    for key, value in stated.items():
        kind = str if key in _TEXTS else list if key in _LISTS else dict
        _check(isinstance(value, kind), f"{stated['name']} with {key}", value)
    answers = [entry.get("name") if isinstance(entry, dict) else None for entry in stated["expected"]]
    for name in (stated["name"], *answers):  # they become names of files
        _check(isinstance(name, str) and plain_name(name).isprintable(), f"{stated['name']} with the name", name)
    for source in stated.get("inputs", ()):
        if not isinstance(source, str):
            _check(isinstance(source, dict) and set(source) == {"synthetic"}, f"{stated['name']} with the input", source)
            _check_rule(source["synthetic"])
    return Case(**stated)


def _check_rule(rule: Any, *more: str) -> None:
    """Complain of what is no rule for a synthetic tensor; `more` are its other fields."""
    good = isinstance(rule, dict) and set(rule) == {"seed", "shape", "low", "high", *more}
    good = good and type(rule["seed"]) is int and is_shape(rule["shape"], _LARGEST)
    limit = float(np.finfo(np.float32).max) / 2
    _check(good and all(is_number(rule[key]) and abs(rule[key]) <= limit for key in ("low", "high")), "the rule", rule)


def synthetic_weights(rules: Any) -> dict[str, Array]:
    """The weights that a case states by rules, for a network that has none published."""
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
        self._is_own = folder is None
        text = self._read("cases.json")
        try:
            head = read_json(text)
            for key, kind in (("tolerances", dict), ("sets", dict), ("cases", list)):
                _check(isinstance(head, dict) and isinstance(head.get(key), kind), f"for {key}", head)
            self.tolerances: dict[str, dict[str, float]] = head["tolerances"]
            self._sets: dict[str, str] = {name: plain_name(str(manifest)) for name, manifest in head["sets"].items()}
            cases = [_case(stated) for stated in head["cases"]]
            _check(len({case.name for case in cases}) == len(cases), "names of cases twice in", len(cases))
        except ValueError as error:
            raise GoldenError(f"{self.folder}/cases.json: expected golden cases of format 1 (JSON), got {error}") from None
        self.sets = {name for name, manifest in self._sets.items() if self.folder.joinpath(manifest).is_file()}
        if not self.sets:
            raise GoldenError(f"{self.folder}: expected one of {', '.join(self._sets.values())}, got none of them")
        self.all_cases = cases
        self.cases = [case for case in cases if case.set in self.sets]
        self.missing = len(cases) - len(self.cases)

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
