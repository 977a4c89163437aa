"""The comments and docstrings in networks/ are true: shape arrows, inputs, outputs, numbers of parameters.

A shape arrow is a comment on a statement, `# [H,W,Ci] -> [H/2,W/2,Co]`.  The networks are recorded, every recorded node is
attributed to the statements that were being executed, and the arrow is compared with the shapes of those nodes.  In a loop an
arrow covers the whole way, `# [S,S,3] -> [S/2,S/2,16] -> ... -> [S/32,S/32,256]`.  A bare letter takes its value where it first
stands in a call of the function; `/` must leave no remainder.
"""

from __future__ import annotations

import ast
import importlib
import math
import re
import sys
import tokenize
from collections import defaultdict
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from npfaceapi import graph as graph_module, nets
from npfaceapi.engines.reference import OPERATIONS
from npfaceapi.graph import Recorder, record
from npfaceapi.networks.tiny_yolov2 import TinyYolov2

FOLDER = Path(graph_module.__file__).parent / "networks"

#: A network, the sizes (rows, columns) at which it is recorded, and the given values of letters in its arrows.
CASES = {
    "ssd_mobilenetv1": (nets.ssd_mobilenetv1, [(512, 512)], {}),
    "tiny_face_detector": (nets.tiny_face_detector, [(416, 416), (224, 224), (32, 32)], {}),
    "tiny_yolov2": (TinyYolov2(), [(416, 416), (32, 32)], {"A": 5, "K": 5}),
    "tiny_yolov2_full": (TinyYolov2(False), [(416, 416), (32, 32)], {"A": 5, "K": 6}),
    "pnet": (nets.mtcnn.pnet, [(12, 12), (47, 30), (100, 75)], {}),
    "rnet": (nets.mtcnn.rnet, [(24, 24)], {}),
    "onet": (nets.mtcnn.onet, [(48, 48)], {}),
    "face_landmark_68_net": (nets.face_landmark_68_net, [(112, 112)], {}),
    "face_landmark_68_tiny_net": (nets.face_landmark_68_tiny_net, [(112, 112)], {}),
    "face_recognition_net": (nets.face_recognition_net, [(150, 150)], {}),
    "face_expression_net": (nets.face_expression_net, [(112, 112)], {}),
    "age_gender_net": (nets.age_gender_net, [(112, 112)], {}),
}


# ------------------------------------------------------------------ statements, comments, recorded nodes


def comments_of(source):
    """Line number -> comment."""
    readline = iter(source.splitlines(keepends=True)).__next__
    return {t.start[0]: t.string for t in tokenize.generate_tokens(readline) if t.type == tokenize.COMMENT}


def statements_of(source):
    """[(first line, last line, comment)] of every simple statement."""
    comments = comments_of(source)
    simple = [s for s in ast.walk(ast.parse(source)) if isinstance(s, ast.stmt) and not hasattr(s, "body")]
    return [
        (s.lineno, s.end_lineno, " ".join(comments.get(line, "") for line in range(s.lineno, s.end_lineno + 1)).strip())
        for s in simple
    ]


def trace(run, monkeypatch, folder):
    """Run a function; returns [(node, [(file, line, frame) from the outermost on])] for every node that it records."""
    traced = []
    add = Recorder.add

    def traced_add(self, *args, **kwargs):
        node, frames, frame = add(self, *args, **kwargs), [], sys._getframe(1)
        while frame is not None:
            if Path(frame.f_code.co_filename).parent == folder and not frame.f_code.co_name.startswith("<"):
                frames.append((frame.f_code.co_filename, frame.f_lineno, frame))
            frame = frame.f_back
        traced.append((node, frames[::-1]))
        return node

    with monkeypatch.context() as patch:
        patch.setattr(Recorder, "add", traced_add)
        run()
    return traced


def executions(traced):
    """Yield (file, statement, frame, its nodes) in the order in which the statements start, one frame at a time."""
    files = {file for _, frames in traced for file, _, _ in frames}
    statements = {file: statements_of(Path(file).read_text("utf-8")) for file in files}
    groups = defaultdict(list)
    for node, frames in traced:
        for file, line, frame in frames:
            (statement,) = [s for s in statements[file] if s[0] <= line <= s[1]]
            groups[file, statement, frame].append(node)
    for (file, statement, frame), nodes in groups.items():
        yield file, statement, frame, nodes


# ------------------------------------------------------------------ the arrows


class Untrue(Exception):
    """An arrow that disagrees with what was recorded."""


def hold(condition, problem):
    if not condition:
        raise Untrue(problem)


def evaluate(expression, names):
    known = {"one": Fraction(1), "ceil": math.ceil, "floor": math.floor, **names}
    value = eval(expression.replace("/", "*one/"), {"__builtins__": {}}, known)
    return int(value) if value == int(value) else value


def match(stated, shape, names):
    """Whether `[H,W/2,16]` matches that shape; unknown letters are bound to their values."""
    items = [item.strip() for item in re.split(r",(?![^(]*\))", stated.strip("[]")) if item.strip()]
    if len(items) != len(shape):
        return False
    for item, n in zip(items, shape, strict=True):
        unknown = set(re.findall(r"[A-Za-z]\w*", item)) - set(names) - {"ceil", "floor"}
        hold(len(unknown) <= 1, f"{item}: two unknown letters, {sorted(unknown)}")
        if item in unknown:
            names[item] = n
        elif unknown:
            (letter,) = unknown
            found = [value for value in range(1, 4097) if evaluate(item, {**names, letter: value}) == n]
            if len(found) != 1:
                return False
            names[letter] = found[0]
        elif evaluate(item, names) != n:
            return False
    return True


def external_input(nodes):
    mine = set(nodes)
    return next((x for node in nodes for x in node.inputs if x not in mine), None)


def check_arrow(comment, nodes, names):
    """Raise Untrue unless the arrow describes the shapes from the statement's input to its results."""
    first, *parts = comment.split("->")
    parts = [re.findall(r"\[[^\]]*\]|\.\.\.(?!,)", part) for part in parts]
    before = re.findall(r"\[[^\]]*\]", first)
    hold(all(parts), "expected a shape or ... after every ->")
    x = external_input(nodes)
    if before:
        hold(len(before) == 1, "one shape before the first arrow")
        hold(match(before[0], x.shape, names), f"input {before[0]}, recorded {list(x.shape)} with {names}")
    used = {x for node in nodes for x in node.inputs}
    results = [node for node in nodes if node not in used or node is nodes[-1]][-len(parts[-1]) :]
    hold(len(results) == len(parts[-1]), f"{len(parts[-1])} results stated, {len(results)} recorded")
    waiting = [node.shape for node in nodes if node is not results[0]]
    for stated in parts[:-1]:
        hold(len(stated) == 1, "one shape between two arrows")
        if stated != ["..."]:
            while waiting and not match(stated[0], waiting[0], dict(names)):
                waiting = waiting[1:]
            hold(waiting, f"{stated[0]} was never recorded, with {names}")
            match(stated[0], waiting[0], names)
    for stated, node in zip(parts[-1], results, strict=True):
        hold(match(stated, node.shape, names), f"result {stated}, recorded {list(node.shape)} with {names}")


def check_arrows(traced, letters):
    """The problems of all statements, [(file, line, what)], and the numbers of arrows and calls compared."""
    names_of_frame, problems, checked = {}, [], 0
    for file, (line, _, comment), frame, nodes in executions(traced):
        stride = {"stride": frame.f_locals["stride"]} if "stride" in frame.f_locals else {}
        names = names_of_frame.setdefault(frame, {**letters, **stride})
        if "->" in comment:
            checked += 1
            try:
                check_arrow(comment, nodes, names)
            except (Untrue, SyntaxError, NameError) as error:
                problems.append((Path(file).name, line, str(error)))
        else:
            x = external_input(nodes)
            if x is not None and x.shape != nodes[-1].shape:
                problems.append((Path(file).name, line, f"no arrow, but {list(x.shape)} becomes {list(nodes[-1].shape)}"))
    return problems, checked


@pytest.mark.slow_after(4)
@pytest.mark.parametrize("name", CASES)
def test_every_statement_that_changes_a_shape_has_a_true_arrow(name, monkeypatch):
    net, sizes, letters = CASES[name]
    for size in sizes:
        traced = trace(lambda size=size: record(name, net.definition, net.shapes(), (*size, 3), net.root), monkeypatch, FOLDER)
        problems, checked = check_arrows(traced, letters)
        assert problems == []
        assert checked >= 5


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("y = ops.max_pool(x, 2, stride=2)  # [H,W,C] -> [H/2,W/2,C]", None),
        ("y = ops.max_pool(x, 2, stride=2)  # [H,W,C] -> [3,4,C]", None),
        ("y = ops.max_pool(x, 2, stride=2)  # -> [H,4,2]", None),
        ("y = ops.relu(x)", None),
        ("y = ops.max_pool(x, 2, stride=2)  # [H,W,C] -> [H/2,W,C]", "result [H/2,W,C], recorded [3, 4, 2]"),
        ("y = ops.max_pool(x, 2, stride=2)  # [H,H,C] -> [H/2,W/2,C]", "input [H,H,C], recorded [6, 8, 2]"),
        ("y = ops.max_pool(x, 2, stride=2)  # [H,W,C] -> [H/2,W/2]", "result [H/2,W/2], recorded [3, 4, 2]"),
        ("y = ops.max_pool(x, 4, stride=4)  # [H,W,C] -> [H/4,W/4,C]", "result [H/4,W/4,C], recorded [2, 2, 2]"),
        ("y = ops.max_pool(x, 4, stride=4)  # [H,W,C] -> [ceil(H/4),W/4,C]", None),
        ("y = ops.max_pool(x, 2, stride=2)", "no arrow, but [6, 8, 2] becomes [3, 4, 2]"),
        ("y = ops.mean(ops.max_pool(x, 2, stride=2))  # [6,8,2] -> [3,4,2] -> [2]", None),
        ("y = ops.mean(ops.max_pool(x, 2, stride=2))  # [6,8,2] -> [3,5,2] -> [2]", "[3,5,2] was never recorded"),
        ("y = [ops.mean(x), ops.relu(x)]  # -> [2], [6,8,2]", None),
        ("y = [ops.mean(x), ops.relu(x)]  # -> [6,8,2], [2]", "result [6,8,2], recorded [2]"),
    ],
)
def test_the_check_finds_wrong_and_missing_arrows(line, problem, tmp_path, monkeypatch):
    source = f"from npfaceapi import ops\ndef forward(x, p):\n    {line}\n    return {{}}\n"
    file = tmp_path / "arrows.py"
    file.write_text(source)
    namespace = {}
    exec(compile(source, str(file), "exec"), namespace)
    traced = trace(lambda: record("test", namespace["forward"], {}, (6, 8, 2)), monkeypatch, tmp_path)
    problems, _ = check_arrows(traced, {})
    assert [re.sub(",? with .*", "", what) for _, _, what in problems] == ([problem] if problem else [])


# ------------------------------------------------------------------ the docstrings

DOCSTRINGS = {
    "ssd_mobilenetv1": ["ssd_mobilenetv1"],
    "tiny_face_detector": ["tiny_face_detector"],
    "tiny_yolov2": ["tiny_yolov2", "tiny_yolov2_full"],
    "mtcnn": ["pnet", "rnet", "onet"],
    "face_landmark_68_net": ["face_landmark_68_net", "face_landmark_68_tiny_net"],
    "face_recognition_net": ["face_recognition_net"],
    "face_expression_net": ["face_expression_net"],
    "age_gender_net": ["age_gender_net"],
}


def sections(doc):
    """The docstring's lines `Source: …`, continuation lines joined."""
    found = re.findall(r"^(\w+): ((?:.|\n(?=    ))*)", doc, re.MULTILINE)
    return {word: " ".join(text.split()) for word, text in reversed(found)}


def docstring_problems(doc, names):
    """Wrong or missing statements in a module's docstring about the networks of those names."""
    said = {"Source": "", "Weights": "", "Input": "", "Output": "", **sections(doc)}
    problems = []
    if not re.search(r"arXiv:\d{4}\.\d{5}", said["Source"]) or "face-api.js 0.22.2" not in said["Source"]:
        problems.append("Source: neither paper nor version")
    counts = {}
    for name in names:
        net, sizes, letters = CASES[name]
        W, H = sizes[-1]  # for MTCNN, whose networks take the image transposed; the others are square
        recorded = record(name, net.definition, net.shapes(), (W, H, 3), net.root)
        decoding = sum(math.prod(net.shapes()[param]) for param in net.decode_params)
        counts[net.model_name] = counts.get(net.model_name, 0) + recorded.parameters + decoding
        known = {**letters, "N": 1, "S": W, "W": W, "H": H, "w": -(-W // 2) - 5, "h": -(-H // 2) - 5}
        shapes = re.findall(r"\[[^\]]*\]", said["Input"])
        if not any(match(stated, (1, *recorded.input.shape), dict(known)) for stated in shapes):
            problems.append(f"Input: {name} takes {list(recorded.input.shape)}")
        for output, node in recorded.outputs.items():
            shapes = re.findall(rf"\b{output} (\[[^\]]*\])", said["Output"])
            if not any(match(stated, (1, *node.shape), dict(known)) for stated in shapes):
                problems.append(f"Output: {name} gives {output} {list(node.shape)}")
    for model, count in counts.items():
        if f"{model} ({count:,} parameters" not in said["Weights"] and f"{model} ({count:,})" not in said["Weights"]:
            problems.append(f"Weights: {model} has {count:,} parameters")
    return problems


def test_every_network_has_its_file():
    shared = {
        "__init__", "blocks", "face_crops", "loaded", "network_weights", "neural_network", "mtcnn_stages", "options", "registry",
        "unbundled",
    }  # fmt: skip
    assert {path.stem for path in FOLDER.glob("*.py")} - shared == set(DOCSTRINGS)


@pytest.mark.parametrize("module", DOCSTRINGS)
def test_docstrings_state_source_weights_input_and_output(module):
    doc = importlib.import_module(f"npfaceapi.networks.{module}").__doc__
    assert docstring_problems(doc, DOCSTRINGS[module]) == []


@pytest.mark.parametrize(
    ("true", "false", "problem"),
    [
        ("(495,850 parameters", "(495,851 parameters", "Weights: mtcnn_model has 495,850 parameters"),
        ("[N,W,H,3]", "[N,H,W,3]", "Input: pnet takes [100, 75, 3]"),
        ("prob [N,w,h,2]", "prob [N,h,w,2]", "Output: pnet gives prob [45, 33, 2]"),
        ("points [N,10]", "points [N,5,2]", "Output: onet gives points [10]"),
        ("arXiv:1604.02878", "arXiv", "Source: neither paper nor version"),
    ],
)
def test_a_wrong_docstring_is_found(true, false, problem):
    doc = importlib.import_module("npfaceapi.networks.mtcnn").__doc__
    assert true in doc
    assert docstring_problems(doc.replace(true, false), DOCSTRINGS["mtcnn"]) == [problem]


# ------------------------------------------------------------------ the reference engine

X = np.linspace(-1, 1, 2 * 7 * 9 * 4, dtype=np.float32).reshape(2, 7, 9, 4)
C4 = np.full(4, 0.5, np.float32)
CALLS = {
    "conv2d": ((X, np.ones((3, 2, 4, 5), np.float32)), {"stride": 2}, (2, 4, 5, 5)),
    "depthwise_conv2d": ((X, np.ones((3, 3, 4, 1), np.float32), C4), {"stride": 2, "padding": "valid"}, (2, 3, 4, 4)),
    "max_pool": ((X,), {"size": 2, "stride": 2}, (2, 4, 5, 4)),
    "avg_pool": ((X,), {"size": 2, "stride": 2}, (2, 3, 4, 4)),
    "dense": ((X[:, 0, 0], np.ones((4, 6), np.float32)), {}, (2, 6)),
    "batch_norm": ((X, C4, C4, C4, C4), {"epsilon": 0.001}, (2, 7, 9, 4)),
    "mean": ((X,), {}, (2, 4)),
    "pad": ((X,), {"rows": (0, 1), "columns": (2, 0), "channels": (0, 3)}, (2, 8, 11, 7)),
    "concat": ((X, X[:, :3]), {}, (2, 10, 9, 4)),
}


def test_every_arrow_of_the_reference_engine_is_called_here():
    assert {name for name, function in OPERATIONS.items() if "->" in (function.__doc__ or "")} == set(CALLS)


def states_the_shapes(doc, arguments, y):
    """Whether an arrow at the beginning of a docstring fits the input and output arrays."""
    parts = doc.partition(".\n")[0].split(":")[0].split("->")
    inputs, (output,) = (re.findall(r"\[[^\]]*\]", part) for part in parts)
    names = {}

    def fits(stated, array):
        rest = array.ndim - stated.count(",") if stated.endswith("...]") else 0
        return match(stated.replace("...", ",".join("QRST"[:rest])), array.shape, names)

    return all(fits(stated, array) for stated, array in [*zip(inputs, arguments, strict=False), (output, y)])


@pytest.mark.parametrize("name", CALLS)
def test_arrows_of_the_reference_engine(name):
    function, (arguments, attributes, expected) = OPERATIONS[name], CALLS[name]
    y = function(*arguments, **attributes)
    assert y.shape == expected
    assert states_the_shapes(function.__doc__, arguments, y)


@pytest.mark.parametrize("doc", ["[N,H,W,C] -> [N,H,W,C].\n", "[N,H,W,C] -> [N,C,1].\n", "[N,H,H,C] -> [N,C].\n"])
def test_a_wrong_arrow_of_the_reference_engine_is_found(doc):
    assert states_the_shapes("[N,H,W,C] -> [N,C].\n", [X], X.mean((1, 2)))
    assert not states_the_shapes(doc, [X], X.mean((1, 2)))
