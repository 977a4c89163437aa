"""The interface of ports, and the ports written in Python: a user's class, or a backend of this package.

A port answers questions.  `answer(question)` returns named tensors; it raises `NotClaimed` for what the port does not support,
and `PortFailed` (or any other exception) if it fails.  A port may run in this process, in another program, or have written its
answers to a folder beforehand: see also `program.py` and `folder.py`.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
import traceback
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np

from npfaceapi import nets
from npfaceapi.conformance.golden import Case, GoldenCases
from npfaceapi.conformance.levels import run_case
from npfaceapi.conformance.port_errors import NotClaimed, PortFailed
from npfaceapi.conformance.questions import Question, stated_weights
from npfaceapi.engines.dispatch import use_backend
from npfaceapi.errors import InvalidArgument, NpFaceApiError, one_line
from npfaceapi.networks.registry import all_names, bundled_names

__all__ = ["BackendPort", "NotClaimed", "Port", "PortFailed", "PythonPort", "Respondent", "failure_of", "load_python_port"]

Array = np.ndarray[Any, Any]
Answers = Mapping[str, Any]


class Respondent(Protocol):
    """The interface that the runner uses to ask questions."""

    title: str

    def answer(self, question: Question) -> Answers: ...

    def close(self) -> None: ...


@runtime_checkable
class Port(Protocol):
    """The one method that a Python class must have to be judged.

    Further methods claim further levels; each is optional, and returns arrays by the names in `names` (see docs/conformance.md):

    - `taps(network, batch, names)`: values inside the network.
    - `load_weights(network, tensors)`: take these weights for `network`; without it cases of weights that are not bundled
      (`tiny_yolov2`, `tiny_yolov2_full`, and some of other networks) are not asked.
    - `weights(network, names)`: the network's weights as float32.
    - `operation(op, inputs, attributes)`: one operation, its only output.
    - `decode(network, inputs, attributes, names)`: raw outputs to boxes, scores, points, probabilities.
    - `prepare(op, inputs, attributes, names)`: batches, resized pictures, crops.
    - `chain(detector, picture, attributes, names)`: a picture to faces with all results.
    - `json(op, inputs, attributes, names)`: JSON values.
    - `networks`: the names of the networks it has; without it, all.

    A method that does not support a case raises `npfaceapi.conformance.NotClaimed("why")`, which skips only this case.
    """

    def run(self, network: str, batch: Array) -> Mapping[str, Array]:
        """The raw outputs of `network` for `batch`, float32 [N,H,W,3] in 0..255."""
        ...


class PythonPort:
    """Adapts a user's class to the runner's interface."""

    def __init__(self, port: Port, title: str = "") -> None:
        if not callable(getattr(port, "run", None)):
            raise InvalidArgument(f"{title or type(port).__name__}: expected a method run(network, batch), got none")
        self.port = port
        self.title = title or type(port).__name__
        self._changed: set[str] = set()  # networks that do not have their bundled weights now

    def answer(self, question: Question) -> Answers:
        networks = getattr(self.port, "networks", None)
        if networks is not None and question.net and question.net not in networks:
            raise NotClaimed(f"the port has no {question.net}")
        self._load(stated_weights(question))
        answers = getattr(self, f"_{question.level}")(question)
        if not isinstance(answers, Mapping):
            raise PortFailed(f"expected a dict of arrays by name, got {type(answers).__name__}")
        return answers

    def close(self) -> None:
        pass

    def _load(self, stated: dict[str, dict[str, Array]]) -> None:
        """Give the port the weights that a case names, and restore the bundled ones after a case with others."""
        bundled = {name: nets.network_named(name).tensors for name in self._changed - {*stated} if name in bundled_names()}
        self._changed = {*stated}
        for network, tensors in {**bundled, **stated}.items():
            self._method("load_weights")(network, tensors)

    def _method(self, name: str) -> Callable[..., Any]:
        method = getattr(self.port, name, None)
        if not callable(method):
            raise NotClaimed(f"the port has no method {name}")
        return method  # type: ignore[no-any-return]

    def _weights(self, q: Question) -> Any:
        return self._method("weights")(q.net, q.answers)

    def _operations(self, q: Question) -> Any:
        attributes = {key: value for key, value in q.attributes.items() if key != "op"}
        return {"output": self._method("operation")(q.attributes["op"], q.inputs, attributes)}

    def _taps(self, q: Question) -> Any:
        return self._method("taps")(q.net, q.inputs["batch"], q.answers)

    def _raw(self, q: Question) -> Any:
        return self._method("run")(q.net, q.inputs["batch"])

    def _decode(self, q: Question) -> Any:
        return self._method("decode")(q.net, q.inputs, q.attributes, q.answers)

    def _prepare(self, q: Question) -> Any:
        return self._method("prepare")(q.attributes["op"], q.inputs, q.attributes, q.answers)

    def _chain(self, q: Question) -> Any:
        return self._method("chain")(q.net, q.inputs["picture_0"], q.attributes, q.answers)

    def _json(self, q: Question) -> Any:
        return self._method("json")(q.attributes["op"], q.inputs, q.attributes, q.answers)


class BackendPort:
    """A backend of this package, on all levels."""

    def __init__(self, golden: GoldenCases, backend: str) -> None:
        self.title = f"npfaceapi, backend {backend}"
        self._golden, self._cases, self._backend = golden, {case.name: case for case in golden.all_cases}, backend

    def answer(self, question: Question) -> Answers:
        case: Case = self._cases[question.name]
        with use_backend(self._backend), np.errstate(all="ignore"):
            outputs = run_case(case, self._golden.inputs(case))
        some = case.level in ("weights", "json")  # they give more than is asked
        used = {name: outputs[name] for name in question.answers if name in outputs} if some else outputs
        narrow = case.level in ("operations", "taps", "raw")  # reference64 gives float64, which these levels reject
        return {
            name: value.astype(np.float32) if narrow and getattr(value, "dtype", None) == np.float64 else value
            for name, value in used.items()
        }

    def close(self) -> None:
        pass


def load_python_port(where: str) -> PythonPort:
    """The port that `MODULE:CLASS` or `FILE.py:CLASS` names; the class is called without arguments."""
    module_name, colon, class_name = where.rpartition(":")
    if not colon or not module_name or not class_name:
        raise InvalidArgument(f"--python: expected MODULE:CLASS or FILE.py:CLASS, got {where!r}")
    try:
        module = _load_file(Path(module_name)) if module_name.endswith(".py") else importlib.import_module(module_name)
        made = getattr(module, class_name)()
    except (Exception, SystemExit) as error:  # the user's module may raise anything
        reason = failure_of(error)
        raise InvalidArgument(f"--python: expected a class that can be made without arguments in {where}, got {reason}") from None
    port = PythonPort(made, where)
    _check_networks(where, getattr(made, "networks", ()))
    return port


def _check_networks(where: str, networks: Any) -> None:
    """Check the names, since a mistyped one would skip all cases of its network."""
    names, listed = all_names(), isinstance(networks, Collection) and not isinstance(networks, str)
    wrong = [name for name in networks if name not in names] if listed else [networks]
    if networks is not None and wrong:
        got = one_line(repr(wrong[0]))[:80]
        raise InvalidArgument(f"--python {where}: expected networks to be a list of names out of {', '.join(names)}, got {got}")


def failure_of(error: BaseException) -> PortFailed:
    """An exception in a port's code as PortFailed: its message, the port's innermost line, and the traceback."""
    trace = error.__traceback__
    while trace is not None and _is_before_the_port(trace.tb_frame.f_code.co_filename):
        trace = trace.tb_next
    frames = traceback.extract_tb(trace)
    own = [frame for frame in frames if Path(frame.filename).parent == Path(frames[0].filename).parent]
    place = f" ({Path(own[-1].filename).name}, line {own[-1].lineno}, in {own[-1].name})" if own else ""
    if isinstance(error, NpFaceApiError):  # its message is complete
        place = ""
    text = "".join(traceback.format_exception(error.with_traceback(trace)))
    return PortFailed(one_line(f"{type(error).__name__}: {error}") + place, text)


def _is_before_the_port(file: str) -> bool:
    return file == importlib.__file__ or file.startswith("<frozen ") or Path(file).parent == Path(__file__).parent


def _load_file(path: Path) -> Any:
    if not path.is_file():
        raise FileNotFoundError(f"no file {path}")
    folder = str(path.resolve().parent)
    if folder not in sys.path:
        sys.path.insert(0, folder)  # as `python FILE.py` does
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules.setdefault(path.stem, module)
    spec.loader.exec_module(module)
    return module


def patterns_match(name: str, patterns: Sequence[str]) -> bool:
    """Whether a case's name matches one of the patterns with wildcards; an empty list matches everything."""
    import fnmatch

    return not patterns or any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns)
