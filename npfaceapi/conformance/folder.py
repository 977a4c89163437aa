"""A port that answers through a folder: `inputs` writes the questions, the port adds its tensors, `check` reads them.

DIR/questions.json                            every case: name, level, net, attributes, inputs, answers
DIR/inputs/CASE/NAME.bin (or .npy)            the inputs; dtype and shape are in questions.json
DIR/outputs/CASE/ANSWER.npy                   the port's tensors, under the names of the answers
DIR/outputs/CASE/ANSWER.json                  its JSON values
DIR/outputs/manifest.json                     {"tensors": {"CASE/ANSWER": {"file", "dtype", "shape"}}} for raw tensors;
                                              {"claims": ["raw/*", …]} for a port that does not claim all cases
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from npfaceapi.conformance.ports import Answers, NotClaimed, PortFailed, patterns_match
from npfaceapi.conformance.questions import Question
from npfaceapi.conformance.tensor_files import BadAnswer, inside, read_answer, read_json, read_npy, write_tensor
from npfaceapi.errors import GoldenError, InvalidArgument, one_line

__all__ = ["FolderPort", "asked_cases", "write_questions"]

_SUFFIXES = (".npy", ".json")


def write_questions(folder: Path, questions: Iterable[Question], form: str = "raw") -> int:
    """Write questions with their inputs into a folder; returns their number."""
    stated = []
    for question in questions:
        where = folder / "inputs" / question.name
        inputs = {name: write_tensor(where, name, value, form) for name, value in question.inputs.items()}
        for description in inputs.values():
            description["file"] = f"inputs/{question.name}/{description['file']}"
        stated.append(
            {"case": question.name, "level": question.level, "net": question.net, "attributes": question.attributes,
             "inputs": inputs, "answers": question.answers}
        )  # fmt: skip
    lines = ",\n".join(json.dumps(one) for one in stated)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "questions.json").write_text(f'{{"format": 1, "cases": [\n{lines}\n]}}\n', "utf-8")
    except OSError as error:
        raise GoldenError(f"{folder}: expected to write questions there, got: {error.strerror or error}") from None
    return len(stated)


def asked_cases(folder: Path) -> list[str]:
    """The names of the cases whose questions were written into a folder."""
    file = folder / "questions.json"
    if not file.is_file():
        raise InvalidArgument(f"{folder}: expected a folder with questions.json, as npfaceapi conform inputs writes it, got none")
    try:
        stated = read_json(file)
        names = [case["case"] for case in stated["cases"]]
    except (BadAnswer, KeyError, TypeError) as error:
        got = str(error).rpartition(", got ")[2] if isinstance(error, BadAnswer) else "something else"
        raise GoldenError(f"{file}: expected what npfaceapi conform inputs writes, got {got}: write it again") from None
    if not names or not all(isinstance(name, str) for name in names):
        raise GoldenError(f"{file}: expected the names of cases, got none: write it again with npfaceapi conform inputs")
    return names


class FolderPort:
    """The answers in a folder."""

    def __init__(self, folder: Path) -> None:
        self.title = one_line(f"folder {folder}")
        self._outputs = folder / "outputs"
        if not self._outputs.is_dir():
            raise InvalidArgument(f"{folder}: expected a folder outputs with the port's tensors, got none")
        self._stated, self._claims = self._manifest()
        self._asked = set(asked_cases(folder))

    def _manifest(self) -> tuple[dict[str, Any], list[str]]:
        file = self._outputs / "manifest.json"
        if not file.exists():
            return {}, []
        try:
            manifest = read_json(file)
        except BadAnswer as error:
            raise InvalidArgument(f"{file.parent}/{error}") from None
        if not isinstance(manifest, dict):
            raise InvalidArgument(f"{file}: expected a JSON object, got {type(manifest).__name__}")
        tensors, claims = manifest.get("tensors", {}), manifest.get("claims", [])
        if not isinstance(tensors, dict) or not isinstance(claims, list) or not all(isinstance(c, str) for c in claims):
            raise InvalidArgument(
                f'{file}: expected "tensors", an object, and "claims", a list of patterns, got {str(manifest)[:80]}'
            )
        unknown = set(manifest) - {"tensors", "claims"}
        if unknown:
            raise InvalidArgument(f'{file}: expected only "tensors" and "claims", got {sorted(unknown)[0]!r} as well')
        return tensors, claims

    def answer(self, question: Question) -> Answers:
        if not patterns_match(question.name, self._claims):
            raise NotClaimed("not among the claims of outputs/manifest.json")
        answers: dict[str, Any] = {}
        try:
            for name, read in self._found(question.name):
                if name in answers:
                    raise BadAnswer(f"{name}: expected one answer of that name, got two")
                answers[name] = read()
        except BadAnswer as error:
            raise PortFailed(str(error)) from None
        if not answers:
            raise PortFailed("expected answers in outputs, got none")
        return answers

    def _found(self, case: str) -> Iterator[tuple[str, Any]]:
        """Every answer to a case: its name, and what to read it from."""
        stated = {self._file_of(key): key for key in self._stated if key.startswith(f"{case}/")}
        for key in stated.values():
            yield key.removeprefix(f"{case}/"), lambda key=key: read_answer(self._outputs, self._stated[key])
        where = self._outputs / case
        for file in sorted(where.rglob("*")) if where.is_dir() else ():
            if not file.is_file() or file in stated:
                continue
            inside(self._outputs, str(file.relative_to(self._outputs)))
            if file.suffix not in _SUFFIXES:
                raise BadAnswer(f"{file.name}: expected .npy, .json, or a tensor that outputs/manifest.json states, got neither")
            name = str(file.relative_to(where).with_suffix("").as_posix())
            yield name, lambda file=file: (read_npy if file.suffix == ".npy" else read_json)(file)

    def _file_of(self, key: str) -> Any:
        stated = self._stated[key]
        return self._outputs / str(stated.get("file")) if isinstance(stated, dict) else key

    def unexpected_files(self) -> list[str]:
        """Files of the folder and entries of its manifest that answer no question."""
        names = {key for key in self._stated if not any(key.startswith(f"{case}/") for case in self._asked)}
        stated = {self._file_of(key) for key in self._stated}
        for file in self._outputs.rglob("*"):
            if file.is_file() and file not in stated and file.name != "manifest.json":
                relative = file.relative_to(self._outputs).as_posix()
                if not any(relative.startswith(f"{case}/") for case in self._asked):
                    names.add(relative)
        return sorted(map(one_line, names))

    def close(self) -> None:
        pass
