"""Random examples: right engines pass, wrong thresholds fail, failures are shrunk, and a seed reproduces them."""

from __future__ import annotations

import importlib.util
import json
from types import SimpleNamespace

import numpy as np
import pytest

from helpers.conform_engines import OnnxPort, TorchPort
from npfaceapi import cli
from npfaceapi.conformance.drawing import KINDS, Example, draw
from npfaceapi.conformance.fuzz import Drawn, examples_of, fuzz
from npfaceapi.conformance.golden import Case, GoldenCases
from npfaceapi.conformance.levels import operation_graph
from npfaceapi.conformance.orders import to_bfloat16, to_float16
from npfaceapi.conformance.ports import BackendPort, NotClaimed, PythonPort
from npfaceapi.conformance.shrink import shrunk
from npfaceapi.conformance.tolerance import GRADES

GOLDEN = GoldenCases()
PINNED = ([1, 7, 8, 2], [[5.0, 5.0, 3.0, 4.0], [3.0, 9.0, 2.0, 4.0]], [0.125, 0.625])
FLOAT32 = GRADES["float32"]


def fuzzed(port, count, *patterns, seed=1, grade=FLOAT32, **more):
    port = PythonPort(port)
    return fuzz(lambda _: port, GOLDEN, seed, examples_of(count, patterns), grade, **more)


def problems(found):
    return [f"{one.name}: {one.problem}" for one in found.report.results if one.status == "failed"]


class Nothing:
    """A port that claims no level."""

    networks = ()

    def run(self, network, batch):
        raise NotClaimed("no networks")


# ------------------------------------------------------------------ right ports pass


@pytest.mark.slow_after(1)
@pytest.mark.parametrize("backend", ["numba", "reference"])
def test_our_backends_pass(backend):
    names = examples_of(400, ["operations/*", "decode/*", "prepare/*", "json/*", "raw/mtcnn_[pr]*"])
    found = fuzz(lambda drawn: BackendPort(drawn, backend), GOLDEN, 1, names, FLOAT32)
    assert problems(found) == []
    assert {one.name.rpartition("/")[0] for one in found.report.results} == {
        kind for kind in KINDS if not kind.startswith("raw/") or kind in ("raw/mtcnn_pnet", "raw/mtcnn_rnet")
    }


def engine(package, port):
    """A mark for a foreign engine that may not be installed."""
    missing = not all(importlib.util.find_spec(name) for name in (package, *(["onnx"] if package == "onnxruntime" else [])))
    return pytest.param(port, id=package, marks=pytest.mark.skipif(missing, reason=f"{package} is not installed"))


ENGINES = [engine("onnxruntime", OnnxPort), engine("torch", TorchPort)]


@pytest.mark.slow
@pytest.mark.parametrize("port", ENGINES)
def test_networks_of_other_engines_pass(port):
    found = fuzzed(port(), 18, "raw/*")
    assert problems(found) == []
    assert found.report.counts["passed"] == 18


@pytest.mark.slow
@pytest.mark.parametrize("port", ENGINES)
def test_operations_of_other_engines_pass(port):
    class Operations(Nothing):
        def operation(self, op, inputs, a):
            if op in ("resize_bilinear", "sigmoid"):
                raise NotClaimed("no node of a network's graph")
            case = Case("drawn", "operations", "drawn", [], attributes={"op": op, **a})
            graph, tensors, batch = operation_graph(case, list(inputs.values()))
            if port is TorchPort and batch.ndim != 4:
                raise NotClaimed("takes pictures alone")
            answering = port()
            answering._network = lambda _: SimpleNamespace(tensors=tensors)
            return answering.values("", graph, graph.outputs, batch)["output"]

    found = fuzzed(Operations(), 200, "operations/*", again=False)
    assert problems(found) == []
    assert found.report.counts["passed"] >= 130


@pytest.mark.slow_after(1)
@pytest.mark.parametrize(("grade", "round_to"), [("mixed:float16", to_float16), ("mixed:bfloat16", to_bfloat16)])
def test_narrow_numbers_pass_at_their_grade_and_fail_at_float32(grade, round_to):
    class Port(Nothing):
        def operation(self, op, inputs, a):
            x = {name: round_to(value) for name, value in inputs.items()}
            functions = {
                "dense": lambda: x["x"] @ x["weights"],
                "sigmoid": lambda: 1 / (1 + np.exp(-x["x"])),
                "multiply": lambda: x["x"] * x["y"],
                "mean": lambda: x["x"].mean((1, 2)),
            }
            if op not in functions:
                raise NotClaimed("not written here")
            return round_to(functions[op]())

    patterns = [f"operations/{op}/*" for op in ("dense", "sigmoid", "multiply", "mean")]
    assert problems(fuzzed(Port(), 80, *patterns, grade=GRADES[grade])) == []
    with np.errstate(over="ignore"):
        assert len(problems(fuzzed(Port(), 40, *patterns, again=False))) > 20


# ------------------------------------------------------------------ wrong ports fail


class Matcher(Nothing):
    """FaceMatcher in a few lines of NumPy, by the definition."""

    def is_known(self, distance, threshold):
        return distance < threshold

    def json(self, op, inputs, a, names):
        vectors = [np.asarray(x, np.float64) for x in inputs.values()]
        matches = []
        for query in a["queries"]:
            best = (np.inf, "")
            for person in a["labeled"]:
                distance = float(np.mean([np.linalg.norm(vectors[i] - vectors[query]) for i in person["descriptors"]]))
                best = (distance, person["label"]) if distance <= best[0] else best
            label = best[1] if self.is_known(best[0], a["distance_threshold"]) else "unknown"
            shown = f"{np.floor(best[0] * 100) / 100:.2f}".rstrip("0").rstrip(".")
            matches.append({"label": label, "distance": best[0], "text": f"{label} ({shown})", "text_without_distance": label})
        known = [{"label": p["label"], "descriptors": [vectors[i].tolist() for i in p["descriptors"]]} for p in a["labeled"]]
        matcher = {"distanceThreshold": a["distance_threshold"], "labeledDescriptors": known}
        return {"matches": matches, "matches_after_json": matches, "matcher": matcher}


def overlaps(box, others):
    sides = np.minimum(box[:2] + box[2:], others[:, :2] + others[:, 2:]) - np.maximum(box[:2], others[:, :2])
    common = np.maximum(sides, 0).prod(axis=1)
    return common / (box[2] * box[3] + others[:, 2:].prod(axis=1) - common)


class Detector(Nothing):
    """The decoding of the YOLO detectors and of SSD, and the suppression of both, in NumPy."""

    networks = ("tiny_face_detector", "ssd_mobilenetv1")
    ANCHORS = np.array(
        [[1.603231, 2.094468], [6.041143, 7.080126], [2.882459, 3.518061], [4.266906, 5.178857], [9.041765, 10.66308]]
    )

    def is_face(self, score, threshold):
        return score > threshold

    def is_other(self, overlap, threshold):
        return overlap <= threshold

    def suppress(self, boxes, order, threshold):
        kept = []
        while len(order):
            kept.append(order[0])
            order = order[1:][self.is_other(overlaps(boxes[order[0]], boxes[order[1:]]), threshold)]
        return np.array(kept, int)

    def decode(self, network, inputs, a, names):
        if a.get("op") == "non_max_suppression" and a["is_iou"]:
            order = np.argsort(inputs["scores"].astype(np.float64), kind="stable")[::-1]
            return {"indices": self.suppress(inputs["boxes"].astype(np.float64), order, a["iou_threshold"])}
        if network not in self.networks:
            raise NotClaimed("not written here")
        side = max(a["image_height"], a["image_width"])
        if network == "tiny_face_detector":
            grid = inputs["grid"][0].astype(np.float64)
            n = len(grid)
            grid = grid.reshape(n, n, 5, 5)
            size = a["input_size"]
            reshaped = [int(v * size / side + 0.5) for v in (a["image_width"], a["image_height"])]
            row, column, anchor = np.argwhere(self.is_face(1 / (1 + np.exp(-grid[..., 4])), a["score_threshold"])).T
            chosen = 1 / (1 + np.exp(-grid[row, column, anchor]))
            wh = np.exp(grid[row, column, anchor, 2:4]) * self.ANCHORS[anchor] / n
            boxes = np.concatenate([(np.stack([column, row], 1) + chosen[:, :2]) / n - wh / 2, wh], axis=1)
            kept = self.suppress(boxes, np.argsort(chosen[:, 4], kind="stable")[::-1], 0.4)
            factor = max(reshaped) / np.array(reshaped * 2)
            pixels = boxes * factor * np.array([a["image_width"], a["image_height"]] * 2)
            return {"boxes": pixels[kept].reshape(-1, 4), "scores": chosen[kept, 4]}
        priors = inputs["priors"].astype(np.float64)
        t, logits = inputs["box_encodings"].reshape(-1, 4).astype(np.float64), inputs["class_logits"].reshape(-1, 3)
        size = priors[:, 2:] - priors[:, :2]
        centre, half = priors[:, :2] + size / 2 + t[:, :2] / 10 * size, np.exp(t[:, 2:] / 5) * size / 2
        corners, scores = np.concatenate([centre - half, centre + half], axis=1), 1 / (1 + np.exp(-logits[:, 1]))
        order = np.argsort(-scores, kind="stable")
        order = order[self.is_face(scores[order], a["min_confidence"])]
        kept = self.suppress(np.concatenate([corners[:, :2], 2 * half], axis=1), order, 0.5)[: a["max_results"]]
        reshaped = [int(v * 512 / side + 0.5) for v in (a["image_height"], a["image_width"])]
        pixels = 512 / np.array(reshaped * 2) * np.array([a["image_height"], a["image_width"]] * 2)
        edges = np.clip(corners[kept], 0, 1) * pixels
        boxes = np.concatenate([edges[:, 1::-1], (edges[:, 2:] - edges[:, :2])[:, ::-1]], axis=1)
        return {"relative_boxes": corners, "all_scores": scores, "boxes": boxes.reshape(-1, 4), "scores": scores[kept]}


def test_ports_written_by_the_definition_pass():
    found = fuzzed(Matcher(), 40, "json/*")
    assert problems(found) == []
    found = fuzzed(Detector(), 160, "decode/ssd_mobilenetv1/*", "decode/tiny_face*", "decode/non_max*")
    assert problems(found) == []
    assert found.report.counts["passed"] > 120


def mutant(base, **methods):
    return type("Mutant", (base,), {name: staticmethod(method) for name, method in methods.items()})()


@pytest.mark.slow_after(4)
@pytest.mark.parametrize(
    ("port", "pattern"),
    [
        (mutant(Matcher, is_known=lambda distance, threshold: distance <= threshold), "json/face_matcher/*"),
        (mutant(Detector, is_face=lambda score, threshold: score >= threshold), "decode/ssd_mobilenetv1/*"),
        (mutant(Detector, is_face=lambda score, threshold: score >= threshold), "decode/tiny_face_detector/*"),
        (mutant(Detector, is_other=lambda overlap, threshold: overlap < threshold), "decode/non_max_suppression/*"),
    ],
)
@pytest.mark.parametrize("seed", range(3))
def test_a_threshold_that_is_met_exactly_falls_on_the_right_side(port, pattern, seed):
    found = fuzzed(port, 20, pattern, seed=seed)
    assert found.report.counts["failed"] > 0
    (failure,) = found.failures
    if "ssd" in pattern or "tiny" in pattern:  # one logit of 0 remains among those without a face
        assert sum((x != -8).sum() for x in failure.example.inputs[-1:]) <= 1
    if "matcher" in pattern:
        assert [x.size for x in failure.example.inputs] == [1] * len(failure.example.inputs)
        assert len(failure.example.attributes["queries"]) == 1


class Relu6(Nothing):
    def operation(self, op, inputs, a):
        if op != "relu6":
            raise NotClaimed("not written here")
        return np.clip(inputs["x"], 0, 7)


def test_a_failure_is_made_small():
    (failure,) = fuzzed(Relu6(), 5, "operations/relu6/*").failures
    (x,) = failure.example.inputs
    assert x.shape == (1, 1, 1, 1)
    assert 6 < x.item() <= 7
    assert failure.lines == [f"input float32[1, 1, 1, 1] [[[[{x.item()}]]]]"]
    assert "expected [0, 0, 0, 0] 6, got 7" in failure.result.problem or "off by" in failure.result.problem


def test_a_crash_is_made_small():
    class Port(Nothing):
        def operation(self, op, inputs, a):
            raise RuntimeError("out of order")

    (failure,) = fuzzed(Port(), 1, "operations/conv2d/*").failures
    assert failure.result.problem.startswith("RuntimeError: out of order (test_conform_fuzz.py, line ")
    assert failure.example.inputs[0].size == 1 or failure.example.attributes["padding"] != "same"


def test_shrinking_keeps_axes_of_one_letter_together_and_ends():
    x, w = np.ones((3, 8), np.float32), np.ones((8, 5), np.float32)
    asked = []

    def fails(example):
        asked.append(example)
        a, b = example.inputs
        assert a.shape[1] == b.shape[0]
        return a.shape[1] >= 3

    smallest = shrunk(Example({}, (x, w), ("NC", "CO")), fails)
    assert [a.shape for a in smallest.inputs] == [(1, 3), (3, 1)]
    assert len(asked) <= 401
    assert not any(a.any() for a in smallest.inputs)


def test_lists_of_attributes_are_cut_along():
    example = draw("decode/face_landmark_68_net", 1, 3)
    smallest = shrunk(example, lambda e: len(e.attributes["image_dims"]) == len(e.inputs[0]))
    assert len(smallest.inputs[0]) == len(smallest.attributes["image_dims"]) == 1


# ------------------------------------------------------------------ what is drawn


def test_a_seed_gives_the_same_again_and_another_seed_something_else():
    for kind in KINDS:
        first, again, other = draw(kind, 7, 2), draw(kind, 7, 2), draw(kind, 8, 2)
        assert first.attributes == again.attributes
        assert all(np.array_equal(a, b, equal_nan=True) for a, b in zip(first.inputs, again.inputs, strict=True))
        if kind != "decode/mtcnn_pyramid":
            same = [a.shape == b.shape and np.array_equal(a, b) for a, b in zip(first.inputs, other.inputs, strict=False)]
            assert not all(same) or first.attributes != other.attributes, kind


def test_what_is_drawn_does_not_depend_on_the_version_of_numpy():
    (x,) = draw("operations/relu", 0, 0).inputs
    boxes, scores = draw("decode/non_max_suppression", 0, 0).inputs
    assert (list(x.shape), boxes.tolist()[:2], scores.tolist()[:2]) == PINNED


def test_special_values_are_drawn():
    found = np.concatenate(
        [draw(kind, 1, i).inputs[0].reshape(-1) for kind in KINDS if kind.startswith("operations") for i in range(9)]
    )
    assert (found == np.inf).any()
    assert (found == -np.inf).any()
    assert ((found == 0) & np.signbit(found)).any()
    assert ((found != 0) & (np.abs(found) < 2.0**-126)).any()
    assert not np.isnan(found).any()


def test_every_kind_has_the_tolerances_of_golden_cases():
    for kind in KINDS:
        if not kind.startswith("raw/"):
            drawn = Drawn(GOLDEN, f"{kind}/0", draw(kind, 0, 0))
            assert drawn.case.expected, kind
            known = {entry["kind"] for case in GOLDEN.all_cases if case.level == drawn.case.level for entry in case.expected}
            assert {entry["kind"] for entry in drawn.case.expected} <= known


def test_names_of_examples():
    assert examples_of(3) == ["operations/conv2d/0", "operations/depthwise_conv2d/0", "operations/dense/0"]
    assert examples_of(2, ["json/*"]) == ["json/face_matcher/0", "json/face_matcher/1"]
    assert examples_of(1, ["json/face_matcher/7000", "raw/mtcnn_p*"]) == ["json/face_matcher/7000", "raw/mtcnn_pnet/0"]
    assert examples_of(1, ["json/face_matcher/7000"]) == ["json/face_matcher/7000"]
    assert examples_of(2, levels=["prepare"]) == ["prepare/to_batch/0", "prepare/resize/0"]
    assert examples_of(5, ["nothing/*"]) == []


# ------------------------------------------------------------------ the command

PORT = """
import numpy as np
class Port:
    networks = ()
    def run(self, network, batch):
        return {}
    def operation(self, op, inputs, attributes):
        return np.clip(inputs["x"], 0, 7)
"""


@pytest.fixture
def port_file(tmp_path):
    file = tmp_path / "my_port.py"
    file.write_text(PORT)
    return f"{file}:Port"


@pytest.mark.slow
def test_the_command_tells_the_smallest_and_how_to_run_it_again(port_file, tmp_path, capsys):
    report = tmp_path / "report.json"
    options = ["--seed", "3", "--python", port_file, "--json", str(report)]
    assert cli.main(["conform", "fuzz", "--case", "operations/relu6/*", "--examples", "5", *options]) == 1
    out = capsys.readouterr().out
    assert "smallest failing example of operations/relu6" in out
    again = next(line for line in out.splitlines() if line.startswith("  again: npfaceapi "))
    assert cli.main(again.removeprefix("  again: npfaceapi ").split()) == 1
    assert "FAILED operations/relu6/" in capsys.readouterr().out
    found = json.loads(report.read_text())
    assert (found["seed"], found["smallest"][0]["case"].rpartition("/")[0]) == (3, "operations/relu6")


def test_a_folder_of_drawn_questions(tmp_path, capsys):
    folder = tmp_path / "work"
    assert cli.main(["conform", "fuzz", "--write", str(folder), "--seed", "4", "--level", "operations", "--examples", "4"]) == 0
    for case in json.loads((folder / "questions.json").read_text())["cases"]:
        file = folder / "outputs" / case["case"] / "output.npy"
        file.parent.mkdir(parents=True)
        answer = BackendPort(drawn := Drawn(GOLDEN, case["case"], draw(case["case"][:-2], 4, 0)), "reference").answer
        from npfaceapi.conformance.questions import question_of

        np.save(file, answer(question_of(drawn, drawn.case))["output"])
    assert cli.main(["conform", "fuzz", "--answers", str(folder)]) == 0
    assert "4 passed" in capsys.readouterr().out
    np.save(file, np.zeros(3, np.float32))
    assert cli.main(["conform", "fuzz", "--answers", str(folder)]) == 1
    assert cli.main(["conform", "check", str(folder)]) == 2
    assert f"conform fuzz --answers {folder} judges this folder" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--seed", "-1"], "expected --examples above 0 and --seed in 0..4294967295, got 200 and -1"),
        (["--examples", "0"], "expected --examples above 0"),
        (["--grade", "exact"], "expected float32 or mixed, got exact"),
        (["--level", "chain"], "--level: expected one of operations, raw, decode, prepare, json, got 'chain'"),
        (["--case", "chain/*"], "expected --case and --level to match examples such as operations/conv2d/0, got 'chain/*'"),
        (["--case", "operations/relu/x"], "expected --case and --level to match examples"),
        ([], "expected one of --python MODULE:CLASS, --backend NAME and -- PROGRAM ARGS…, got 0"),
        (["--answers", "."], "expected a folder that npfaceapi conform fuzz --write wrote, got none"),
    ],
)
def test_bad_usage(arguments, told, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert cli.main(["conform", "fuzz", *arguments]) == 2
    err = capsys.readouterr().err
    assert told in err
    assert err.count("\n") == 1


@pytest.mark.parametrize("content", ["", "{}", "[]", '{"npfaceapi": "0", "seed": 1, "names": [], "grade": "float32"}',
                                     '{"npfaceapi": "0", "seed": "1", "names": ["../x"], "grade": "float32"}',
                                     '{"npfaceapi": "0", "seed": 1, "names": [], "grade": "no"}'])  # fmt: skip
def test_a_damaged_record_is_refused(content, tmp_path, capsys):
    (tmp_path / "fuzz.json").write_text(content)
    assert cli.main(["conform", "fuzz", "--answers", str(tmp_path)]) == 2
    err = capsys.readouterr().err
    assert "fuzz.json: expected" in err or "grade: expected" in err
    assert err.count("\n") == 1
