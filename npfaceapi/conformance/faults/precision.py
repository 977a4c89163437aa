"""Faults of precision: weights decoded in float32; weights or all numbers in float16 or bfloat16 instead of float32."""

from __future__ import annotations

import functools
from collections.abc import Callable
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

from npfaceapi import nets
from npfaceapi.conformance.faults.chain import Steps, run_chain
from npfaceapi.conformance.faults.fault import Answers, Fault, Weights, backend_of, network_fault
from npfaceapi.conformance.faults.numbers import quantizations, stored_numbers
from npfaceapi.conformance.golden import Case
from npfaceapi.conformance.levels import network_of, operation_graph, run_case
from npfaceapi.conformance.orders import evaluate, to_bfloat16, to_float16
from npfaceapi.conformance.questions import Question
from npfaceapi.engines.dispatch import use_backend

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["NARROW_FAULTS", "PRECISION_FAULTS"]

Array = np.ndarray[Any, Any]
#: (A tensor, its quantization's scale and min or None) to the decoded tensor.
Decode = Callable[[Array, "tuple[float, float] | None"], Array]


# ------------------------------------------------------------------ weights


def _in_float32(w: Array, how: tuple[float, float] | None) -> Array:
    """Product and sum in float32."""
    if how is None:
        return w
    return np.asarray(stored_numbers(w, *how).astype(np.float32) * np.float32(how[0]) + np.float32(how[1]))


def _float32_parameters(w: Array, how: tuple[float, float] | None) -> Array:
    """Scale and minimum rounded to float32; product and sum correct (or fused)."""
    if how is None:
        return w
    return np.asarray(stored_numbers(w, *how) * float(np.float32(how[0])) + float(np.float32(how[1])), np.float32)


def _narrowed(round_to: Callable[[Array], Array]) -> Decode:
    return lambda w, how: round_to(w)


DECODINGS: tuple[tuple[str, str, Decode], ...] = (
    ("decoded_in_float32", "weights decoded in float32 instead of float64", _in_float32),
    ("decoded_with_float32_scale", "weights decoded with scale and minimum in float32 instead of float64", _float32_parameters),
    ("weights_float16", "weights in float16", _narrowed(to_float16)),
    ("weights_bfloat16", "weights in bfloat16", _narrowed(to_bfloat16)),
)


def _decoded(net: Any, decode: Decode, tensors: Weights) -> dict[str, Array]:
    how = {name: (entry["scale"], entry["min"]) for name, entry in quantizations(net.model_name).items()}
    return {name: decode(w, how.get(name)) for name, w in tensors.items()}


def _has_bundled_weights(case: Case) -> bool:
    return not case.weights and "synthetic_weights" not in case.attributes


def _weights(decode: Decode) -> Any:
    """The level `weights`."""

    def run(case: Case, question: Question, dtype: Any) -> Answers | None:
        if not _has_bundled_weights(case):
            return None
        network = network_of(case)
        made = _decoded(network, decode, {name: network.tensors[name] for name in question.answers})
        return None if all(made[name] is network.tensors[name] for name in made) else made

    return run


def _in_network(name: str, title: str, decode: Decode) -> Any:
    """The levels `operations`, `taps` and `raw`."""

    def run(case: Case, question: Question, dtype: Any) -> Answers | None:
        quantized = decode in (_in_float32, _float32_parameters)
        if quantized and (case.level == "operations" or not _has_bundled_weights(case)):
            return None

        def weights(graph: Any, tensors: Weights) -> Weights:
            if quantized:
                return _decoded(network_of(case), decode, tensors)
            return {key: decode(np.asarray(w), None) for key, w in tensors.items()}

        return network_fault(name, title, weights=weights).run(case, question, dtype)

    return run


@functools.lru_cache(maxsize=16)
def _network_with(name: str, decoding: str) -> Any:
    network = nets.network_named(name)
    made = type(network)()
    decode = next(decode for one, _, decode in DECODINGS if one == decoding)
    made.load_from_weight_map(_decoded(network, decode, network.tensors))
    return made


@contextmanager
def _networks_with(decoding: str, names: tuple[str, ...]) -> Iterator[None]:
    """Within the context, `npfaceapi.nets` holds networks with other weights."""
    before = {name: getattr(nets, name) for name in names}
    vars(nets).update({name: _network_with(name, decoding) for name in names})
    try:
        yield
    finally:
        vars(nets).update(before)


def _in_chain(decoding: str) -> Any:
    """The level `chain`."""

    def run(case: Case, question: Question, dtype: Any) -> Answers | None:
        a = question.attributes
        if a.get("only") == "mtcnn" or case.weights:
            return None
        landmarks = "face_landmark_68_tiny_net" if a["use_tiny_landmark_net"] else "face_landmark_68_net"
        names = (case.net, landmarks, "face_recognition_net", "face_expression_net", "age_gender_net")
        # copying the picture bypasses the cache of detections
        with use_backend(backend_of(dtype)), _networks_with(decoding, names):
            return run_chain(case, question, Steps(picture=np.copy))

    return run


# ------------------------------------------------------------------ numbers


def _numbers(grade: str, round_to: Callable[[Array], Array], inputs_too: bool = True) -> Any:
    """All levels except `weights`, `chain` and `json`: rounds the result of each operation, or the answer."""

    def run(case: Case, question: Question, dtype: Any) -> Answers | None:
        inputs = list(question.inputs.values())
        if case.level in ("taps", "raw"):
            graph, tensors, batch = _graph_of(case, question)
        elif case.level == "operations" and question.attributes["op"] != "resize_bilinear":
            graph, tensors, batch = operation_graph(case, [round_to(inputs[0]) if inputs_too else inputs[0], *inputs[1:]])
        else:
            given = inputs[: len(case.inputs)]
            with use_backend(backend_of(dtype)):
                right = run_case(case, given)
            made = {name: right[name] for name in question.answers if name in right}
            return {name: round_to(v) if getattr(v, "dtype", None) in (np.float32, np.float64) else v for name, v in made.items()}
        nodes = [graph.find(name) for name in question.answers]
        ((_, values),) = evaluate(graph, tensors, nodes, batch, (grade,))
        return dict(zip(question.answers, values, strict=True))

    return run


def _graph_of(case: Case, question: Question) -> tuple[Any, Weights, Array]:
    network, batch = network_of(case), question.inputs["batch"]
    return network.graph(*batch.shape[1:3]), network.tensors, batch


FORMATS = (("float16", to_float16), ("bfloat16", to_bfloat16))

PRECISION_FAULTS = (
    *(Fault(name, title, _weights(decode), ("weights",)) for name, title, decode in DECODINGS if name != "decoded_in_float32"),
    *(Fault(name, title, _in_network(name, title, decode), ("operations", "taps", "raw")) for name, title, decode in DECODINGS),
    *(Fault(name, title, _in_chain(name), ("chain",)) for name, title, _ in DECODINGS),
)  # fmt: skip

#: Slow: the reference runs them, rounding after each operation.
NARROW_FAULTS = (
    *(Fault(f"numbers_{name}", f"numbers in {name}", _numbers(name, round_to),
            ("operations", "taps", "raw", "decode", "prepare"), narrow=round_to) for name, round_to in FORMATS),
    *(Fault(f"numbers_{name}", f"numbers in {name}", _numbers(name, round_to, False), ("operations",), narrow=round_to)
      for name, round_to in FORMATS),
)  # fmt: skip
