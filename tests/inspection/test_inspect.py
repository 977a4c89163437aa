"""`npfaceapi inspect`: the page shows what the networks saw and computed, and is self-contained."""

from __future__ import annotations

import email.message
import importlib.metadata
import os
import re
import subprocess
import sys
import time

import numpy as np
import pytest
from PIL import Image

import npfaceapi as faceapi
from helpers import ASTRONAUT, ROOT
from helpers.page_parser import Page, pixels_of
from npfaceapi import nets
from npfaceapi.display.feature_maps import picture, sheet, signed_colors, viridis
from npfaceapi.engines.reference import ReferenceProgram, softmax
from npfaceapi.errors import InvalidArgument, WeightsError
from npfaceapi.faces.boxes import iou
from npfaceapi.faces.geometry import Rect
from npfaceapi.faces.results import FaceDetection, FaceResult
from npfaceapi.inspection import figures
from npfaceapi.inspection.detector_page import detector_sections
from npfaceapi.inspection.detectors import trace_ssd
from npfaceapi.inspection.face_page import MOST_FACES, TRUST_PAGE, distance_section, face_sections
from npfaceapi.inspection.faces import FaceReport
from npfaceapi.inspection.figures import heat_over, plural
from npfaceapi.inspection.network_page import DOCS_PAGES, _milliseconds
from npfaceapi.inspection.receptive_field import seen
from npfaceapi.networks.registry import NETS
from npfaceapi.networks.tiny_yolov2 import separable_shapes

TINY = faceapi.TinyFaceDetectorOptions(input_size=224)


@pytest.fixture(scope="module")
def astronaut():
    return faceapi.load_image(ASTRONAUT)


@pytest.fixture(scope="module")
def two_faces(astronaut):
    return np.concatenate([astronaut[:300], astronaut[:300, ::-1]], axis=1)


@pytest.fixture(scope="module")
def whole():
    """The whole inspection of the photo, with the time that it and the page took; one process does it for all tests."""
    started = time.process_time()
    report = faceapi.inspect(ASTRONAUT)
    html = report.to_html()
    return report, html, time.process_time() - started


@pytest.fixture(scope="module")
def page(whole):
    return Page(whole[1])


# ------------------------------------------------------------------ the detectors


@pytest.mark.slow
def test_ssd_candidates_are_those_that_detection_keeps(whole):
    report, _, _ = whole
    trace = report.detection
    assert trace.anchors == 5118
    assert len(trace.candidates) > 1
    scores = [c.score for c in trace.candidates]
    assert scores == sorted(scores, reverse=True)
    assert min(scores) > 0.5
    (face,) = faceapi.detect_all_faces(ASTRONAUT).run()
    (kept,) = [c for c in trace.candidates if c.is_kept]
    assert kept.score == face.score == trace.best
    assert (kept.box.x, kept.box.height) == pytest.approx((face.box.x, face.box.height))  # the photo has the network's size
    for candidate in trace.candidates[1:]:
        assert candidate.beaten_by == 0
        assert candidate.overlap == iou(candidate.box, kept.box) > 0.5


@pytest.mark.slow
def test_ssd_heat_is_the_best_score_of_each_cell(whole):
    trace = whole[0].detection
    assert [heat.values.shape for heat in trace.heats] == [(32, 32), (16, 16), (8, 8), (4, 4), (2, 2), (1, 1)]
    np.testing.assert_array_equal(trace.batch, nets.ssd_mobilenetv1.to_batch(ASTRONAUT))
    (scores,) = nets.ssd_mobilenetv1.forward(ASTRONAUT)["scores"]
    first = trace.heats[0].values
    np.testing.assert_array_equal(first, scores[: 32 * 32 * 3].reshape(32, 32, 3).max(axis=2))
    row, column = np.unravel_index(first.argmax(), first.shape)
    box = trace.candidates[0].box
    assert box.x < (column + 0.5) * 16 < box.x + box.width
    assert box.y < (row + 0.5) * 16 < box.y + box.height
    assert "3 anchors per cell, 51 to 102 pixels" in trace.heats[0].note


@pytest.mark.slow
@pytest.mark.parametrize("threshold", [0.5, 0.0])
def test_tiny_candidates_are_those_that_detection_keeps(two_faces, threshold):
    options = faceapi.TinyFaceDetectorOptions(input_size=416, score_threshold=threshold)
    trace = faceapi.inspect(two_faces, options, net="tiny_face_detector").detection
    faces = faceapi.detect_all_faces(two_faces, options).run()
    kept = [c for c in trace.candidates if c.is_kept]
    assert [c.score for c in kept] == [face.score for face in faces]
    assert trace.inner_size == (416, 122)
    for candidate, face in zip(kept, faces, strict=True):
        scaled = face.box.x * 416 / 1024, face.box.y * 122 / 300
        assert (candidate.box.x, candidate.box.y) == pytest.approx(scaled)
    assert len(trace.candidates) == (2 if threshold else 13 * 13 * 5) == sum((h.values > threshold).sum() for h in trace.heats)
    for candidate in trace.candidates:
        assert candidate.is_kept or trace.candidates[candidate.beaten_by].is_kept
    assert max(heat.values.max() for heat in trace.heats) == trace.best == faces[0].score


@pytest.mark.slow
def test_more_faces_than_asked_for(two_faces):
    trace, (face,) = trace_ssd(nets.ssd_mobilenetv1, two_faces, faceapi.SsdMobilenetv1Options(max_results=1))
    assert face.score == trace.candidates[0].score
    assert [c.is_kept for c in trace.candidates].count(True) == 1
    assert (False, None) in [(c.is_kept, c.beaten_by) for c in trace.candidates]
    assert "beyond the largest number of faces" in Page(detector_sections(trace)).text


@pytest.mark.parametrize(
    ("options", "name"),
    [
        (faceapi.SsdMobilenetv1Options(), "ssd_mobilenetv1"),
        (TINY, "tiny_face_detector"),
        (faceapi.MtcnnOptions(), "mtcnn_onet"),
    ],
)
@pytest.mark.slow
def test_each_network_runs_once(astronaut, monkeypatch, options, name):
    runs = []
    original = faceapi.NeuralNetwork.run_net

    def counted(net, batch, **more):
        runs.append(net)
        return original(net, batch, **more)

    monkeypatch.setattr(faceapi.NeuralNetwork, "run_net", counted)
    assert len(faceapi.inspect(astronaut, options).faces) == 1
    for shown in (name, "face_landmark_68_net", "face_recognition_net"):
        assert runs.count(nets.network_named(shown)) == 1, shown


@pytest.mark.slow
def test_mtcnn_stage_by_stage(two_faces):
    report = faceapi.inspect(two_faces, faceapi.MtcnnOptions(), net="mtcnn")
    trace = report.detection
    stats = nets.mtcnn.forward_with_stats(two_faces)["stats"]
    assert [level.image.shape[:2] for level in trace.levels] == stats["pyramid"]
    assert [len(stage.boxes) for stage in trace.stages] == [stats[f"stage{i}_num_boxes"] for i in (1, 2, 3)]
    last = trace.stages[2]
    faces = nets.mtcnn.forward(two_faces)
    assert sorted(last.scores) == sorted(face.detection.score for face in faces)
    assert last.points.shape == (2, 5, 2)
    assert trace.stages[1].judged == len(trace.stages[0].boxes)
    assert len(trace.stages[1].patches) == 24
    assert [n.key for n in report.networks] == ["mtcnn_pnet", "mtcnn_rnet", "mtcnn_onet"]
    level = trace.levels[0]
    upright = two_faces[:: round(1 / level.scale)]
    assert abs(level.image.mean(axis=(0, 1)) - upright.mean(axis=(0, 1))).max() < 4  # RGB again, not BGR
    best = trace.stages[1].patches[0]
    assert best.score == max(p.score for p in trace.stages[1].patches)
    text = Page(report.to_html()).text
    assert "Each box is cut out and resized to 24 x 24 pixels." in text
    assert "2 boxes after O-Net" in text


def test_yolo_with_weights_of_ones_own():
    rng = np.random.default_rng(0)
    weights = {name: rng.normal(0, 0.05, shape).astype(np.float32) for name, shape in separable_shapes().items()}
    with pytest.raises(WeightsError, match="none are bundled"):
        faceapi.inspect(np.zeros((60, 80, 3), np.uint8), faceapi.TinyYolov2Options(input_size=64))
    nets.tiny_yolov2.load_from_weight_map(weights)
    try:
        report = faceapi.inspect(np.zeros((60, 80, 3), np.uint8), faceapi.TinyYolov2Options(input_size=64), net="tiny_yolov2")
    finally:
        nets.tiny_yolov2.dispose()
    assert [heat.values.shape for heat in report.detection.heats] == [(2, 2)] * 5
    assert report.networks[0].name == "TinyYolov2"


# ------------------------------------------------------------------ faces and layers


@pytest.mark.slow
def test_crops_are_what_the_networks_saw(whole):
    (face,) = whole[0].faces
    assert [crop.networks for crop in face.crops] == [
        ("face_landmark_68_net",), ("face_expression_net", "age_gender_net"), ("face_recognition_net",),
    ]  # fmt: skip
    logits = nets.face_expression_net.run_net(face.batch_of("face_expression_net"))["logits"]
    np.testing.assert_allclose(softmax(logits)[0], list(face.result.expressions.values()), rtol=1e-6)
    age = nets.age_gender_net.run_net(face.batch_of("age_gender_net"))["age"]
    assert float(age[0]) == pytest.approx(face.result.age)
    descriptor = nets.face_recognition_net.run_net(face.batch_of("face_recognition_net"))["descriptor"]
    np.testing.assert_array_equal(descriptor[0], face.result.descriptor)
    assert face.batch_of("face_landmark_68_tiny_net") is None


@pytest.mark.slow
def test_layers_are_those_of_the_graph(whole):
    report = next(n for n in whole[0].networks if n.key == "face_landmark_68_net")
    graph = nets.face_landmark_68_net.graph()
    assert sum(item.layer.macs for item in report.layers) == report.macs == graph.macs
    assert [item.layer.name for item in report.layers] == [layer.name for layer in graph.layers()][1:]
    assert [item.layer.name for item in report.layers if item.sheet is None] == ["reshape"]
    fields = seen(graph)
    assert all(item.sees == fields.get(item.layer.output, "") for item in report.layers)
    taps = nets.face_landmark_68_net.taps(report.batch, ["dense1/relu", "dense2", "points"], backend="reference")
    by_name = {item.layer.name: item.sheet for item in report.layers}
    for name, value in (("dense1/relu", taps["dense1/relu"]), ("dense2/relu_3", taps["dense2"]), ("fc", taps["points"])):
        assert (by_name[name].low, by_name[name].high) == (value.min(), value.max())
        assert by_name[name].shape == value.shape[1:]
    np.testing.assert_array_equal(report.outputs["points"], taps["points"][0])


@pytest.mark.slow
def test_steps_are_those_of_the_plan(whole):
    for report in whole[0].networks:
        assert sum(step.macs for step in report.steps) == report.macs
        assert all(step.seconds >= 0 for step in report.steps)
        assert report.step_seconds > 0
    report = next(n for n in whole[0].networks if n.key == "face_recognition_net")
    assert [step.name for step in report.steps] == [step.name for step in nets.face_recognition_net.plan().steps]
    with faceapi.use_backend("reference"):
        slow = faceapi.inspect(whole[0].photo, TINY, net="face_expression_net")
    assert slow.backend == "reference"
    assert slow.networks[0].steps == ()
    assert "steps of the fast engine" not in Page(slow.to_html()).text


def test_the_walk_of_the_reference_gives_every_node_and_forgets_it():
    graph, net = nets.face_expression_net.graph(), nets.face_expression_net
    program = ReferenceProgram(graph, net.tensors, [graph.outputs["logits"]])
    batch = np.zeros((1, 112, 112, 3), np.float32)
    assert [node for node, _ in program.walk(batch)] == list(graph)
    values = {node.name: value for node, value in program.walk(batch)}
    np.testing.assert_array_equal(values["fc/dense"], program(batch)[0])


# ------------------------------------------------------------------ the page


@pytest.mark.slow
def test_the_page_is_small_and_quick(whole):
    _, html, seconds = whole
    assert 1e6 < len(html.encode()) < 8e6
    assert seconds < 60  # seconds of computing on a shared machine; alone it takes about 5


@pytest.mark.slow
def test_the_page_needs_nothing_but_itself(whole, page):
    _, html, _ = whole
    assert html.startswith("<!doctype html>\n<html")
    assert all(image["src"].startswith("data:image/") for image in page.all("img"))
    assert page.all("script") == page.all("link") == []
    assert not re.search(r"(?:src|href)=\"(?!data:|#)", html)
    assert not re.search(r"url\((?!data:)|@import|https?://", html)
    assert not re.search(r"\son\w+=", html)
    policy = next(meta["content"] for meta in page.all("meta") if "http-equiv" in meta)
    assert "default-src 'none'" in policy
    assert page.all("html") == [{"lang": "en"}]


@pytest.mark.slow
def test_links_lead_to_places_in_the_page(page):
    names = [attributes["id"] for _, attributes in page.elements if "id" in attributes]
    assert len(set(names)) == len(names)
    targets = {link["href"][1:] for link in page.all("a")}
    assert len(targets) > 200
    assert targets <= set(names)


@pytest.mark.slow
def test_the_page_says_what_the_results_say(whole, page):
    (face,) = whole[0].faces
    text = page.text
    assert f"Score {face.result.detection.score:.4f}" in text
    assert f"Age {face.result.age:.1f} years; female with probability {face.result.gender_probability:.4f}" in text
    assert "7 boxes scored above 0.5" in text
    assert "mouth, inner (60 to 67)" in text
    assert "reference engine" in text
    for network in whole[0].networks:
        assert f"{network.name}: {network.title}" in text
        assert f"Table of the {len(network.layers)} layers" in text
    shares = [float(share) for share in re.findall(r">(\d+\.\d) %<", whole[1])]
    assert sum(shares) == pytest.approx(2 * 100 * len(whole[0].networks), abs=0.05 * len(shares))  # of MACs and of times
    sheets = [image for image in page.all("img") if image["alt"].startswith(("Feature maps of", "Values of"))]
    assert len(sheets) == sum(layer.sheet is not None for network in whole[0].networks for layer in network.layers)
    filters = [image for image in page.all("img") if image["alt"].startswith("Filters of the first layer")]
    assert len(filters) == len(whole[0].networks)


@pytest.mark.slow
def test_the_bar_code_is_the_descriptor(whole, page):
    (image,) = [image for image in page.all("img") if image["alt"].startswith("Descriptor")]
    bars = pixels_of(image["src"])[0, :, :3].astype(int)
    assert len(bars) == 128
    descriptor = whole[0].faces[0].result.descriptor
    red, blue = bars[:, 0], bars[:, 2]
    assert ((red > blue) == (descriptor < 0))[abs(descriptor) > 0.02].all()  # orange below zero, blue above
    for side in (descriptor > 0, descriptor < 0):
        order = np.argsort(abs(descriptor[side]))
        assert (np.diff(bars[side].sum(axis=1)[order]) <= 1).all()  # farther from zero is darker


def test_distances_between_faces(two_faces):
    report = faceapi.inspect(two_faces, faceapi.TinyFaceDetectorOptions(), net="face_recognition_net")
    assert [n.key for n in report.networks] == ["face_recognition_net"]
    one, two = (face.result.descriptor for face in report.faces)
    assert f"{faceapi.euclidean_distance(one, two):.3f}" in Page(distance_section(report.faces)).text
    assert distance_section(report.faces[:1]) is None


def test_a_crowd_is_not_shown_in_detail(astronaut):
    face = FaceReport(FaceResult(FaceDetection(0.9, Rect(0.1, 0.1, 0.2, 0.2), (512, 512))), ())
    page = Page(face_sections([face] * (MOST_FACES + 5), astronaut))
    assert len(page.all("section")) == MOST_FACES
    assert "5 more faces are not shown in detail." in page.text


def test_names_are_escaped(astronaut, tmp_path):
    path = tmp_path / '<b>"x"&.png'
    Image.fromarray(astronaut[:200, 100:300]).save(path)
    html = faceapi.inspect(path, TINY, net="tiny_face_detector").to_html()
    assert Page(html).all("b") == []
    assert 'What the networks see in <b>"x"&.png' in Page(html).text


def test_a_notebook_gets_a_frame(astronaut):
    report = faceapi.inspect(astronaut, TINY, net="tiny_face_detector")
    (frame,) = Page(report._repr_html_()).all("iframe")
    assert frame["srcdoc"] == report.to_html()
    assert repr(report) == "<Inspection of the photo: tiny_face_detector, 1 face, layers of tiny_face_detector>"


def test_fine_heat_keeps_its_peaks():
    values = np.zeros((700, 500))
    values[601, 499] = 1
    html = heat_over("input", values, "heat", "caption", (500, 700), 224)
    heat = pixels_of(Page(html).all("img")[0]["src"])
    assert heat.shape[:2] == (234, 167)
    assert (heat[200, 166, :3] == viridis(np.float64(1))).all()
    assert (heat[:200, :, :3] == viridis(np.float64(0))).all()


# ------------------------------------------------------------------ what a learner looks for


@pytest.mark.slow
def test_near_misses_are_the_faces_of_a_lower_threshold(two_faces):
    strict = faceapi.inspect(two_faces, faceapi.SsdMobilenetv1Options(min_confidence=0.95), net="ssd_mobilenetv1")
    lower = faceapi.detect_all_faces(two_faces, faceapi.SsdMobilenetv1Options(min_confidence=0.2)).run()
    missed = [face.score for face in lower if face.score <= 0.95]
    near = [each.score for each in strict.detection.near_misses if each.score > 0.2]
    assert len(strict.faces) + len(missed) == len(lower) >= 2
    np.testing.assert_allclose(near, missed, atol=1e-6)
    assert len(missed) == 0 or "Near misses" in Page(strict.to_html()).text


def test_logits_stand_beside_the_probabilities(whole, page):
    (face,) = whole[0].faces
    np.testing.assert_allclose(softmax(face.expression_logits), list(face.result.expressions.values()), atol=1e-6)
    male, female = face.gender_logits
    assert softmax(face.gender_logits)[1] == pytest.approx(face.result.gender_probability, abs=1e-6)
    assert f"(logits: male {male:.2f}, female {female:.2f})" in page.text
    for logit in face.expression_logits:
        assert f"{logit:.2f}" in page.text


def test_a_residual_block_shows_the_same_channels_throughout(whole):
    report = next(n for n in whole[0].networks if n.key == "face_recognition_net")
    channels = {item.layer.name: item.sheet.channels for item in report.layers if item.sheet is not None}
    for before, block in (
        ("max_pool", "conv32_1"),
        ("conv32_1", "conv32_2"),
        ("conv64_1", "conv64_2"),
        ("conv128_1", "conv128_2"),
    ):
        assert channels[before] == channels[f"{block}/conv2"] == channels[block]  # x, f(x), x + f(x)
        assert channels[block] != channels[f"{block}/conv1"]  # those of another convolution are others


def test_signed_values_are_white_at_zero():
    values = np.array([[-2.0, 0.0, 1.0]])
    assert pixels_of(picture(values, -2, 2))[0, :, :3].tolist()[1] == signed_colors(np.float64(0)).tolist()
    orange, _, blue = pixels_of(picture(values, -2, 2))[0, :, :3].astype(int)
    assert orange[0] > orange[2]
    assert blue[2] > blue[0]


def test_constant_channels_are_counted():
    values = np.zeros((4, 4, 30), np.float32)
    values[..., 3:] = np.random.default_rng(0).normal(size=(4, 4, 27))
    found = sheet(values)
    assert found.constant == (0, 1, 2)
    assert not {0, 1, 2} & {*found.channels}
    assert "Constant on this photo: 3 of the 30 channels, none of them shown." in found.caption()


def test_the_meaning_of_a_distance_is_that_of_the_calibration(two_faces):
    report = faceapi.inspect(two_faces, faceapi.TinyFaceDetectorOptions(), net="face_recognition_net")
    one, two = (face.result.descriptor for face in report.faces)
    distance = faceapi.euclidean_distance(one, two)
    calibration = faceapi.Calibration.bundled()
    text = Page(distance_section(report.faces)).text
    assert f"{distance:.3f} ({calibration.probability_same(distance).value:.3f})" in text
    assert f"{calibration.false_match_rate(0.6).value * 100:.2g} %" in text


@pytest.mark.slow
def test_how_to_read_the_answers_is_said_once(astronaut):
    twice = astronaut.copy()
    twice[60:190, 300:430] = astronaut[60:190, 160:290]
    report = faceapi.inspect(twice, faceapi.TinyFaceDetectorOptions())
    text = Page(report.to_html()).text
    assert len(report.faces) == 2
    assert text.count("How far to trust age and gender") == text.count("Softmax makes probabilities") == 1
    assert text.count("(logits: male") == 2


@pytest.mark.slow
def test_logits_of_the_gender_alone_are_explained_too():
    report = faceapi.inspect(ASTRONAUT, net="age_gender_net")
    assert "Softmax makes probabilities" in Page(face_sections(report.faces, report.photo)).text


@pytest.mark.slow
def test_pictures_behind_others_are_stored_once(whole, page):
    assert [whole[1].count(f".{name} {{ background-image: url(data:image/jpeg;") for name in ("photo", "input")] == [1, 1]
    assert sum(image["src"].startswith("data:image/jpeg") for image in page.all("img")) == 4  # three crops and the landmarks
    assert len(whole[1]) < 3e6  # a mail


@pytest.mark.slow
def test_the_page_says_where_a_heat_map_is_hottest(whole, page):
    heat = whole[0].detection.heats[0].values
    row, column = np.unravel_index(heat.argmax(), heat.shape)
    assert f"Highest score {heat.max():.4f}, at row {row}, column {column}." in page.text


def test_every_network_names_its_page_of_the_docs():
    assert {*DOCS_PAGES} == {*NETS}
    assert all((ROOT / "docs" / name).is_file() for name in (*DOCS_PAGES.values(), TRUST_PAGE))


@pytest.mark.parametrize(
    ("urls", "shown"),
    [
        (
            ["Source, https://example.org/x"],
            f'<a href="https://example.org/x/blob/v{faceapi.__version__}/docs/a.md">docs/a.md</a>',
        ),
        (["Issues, https://example.org/x"], "<code>docs/a.md</code>"),
        (None, "<code>docs/a.md</code>"),
    ],
)
def test_a_page_of_the_docs_is_a_link_only_where_the_source_has_an_address(monkeypatch, urls, shown):
    def metadata(_):
        if urls is None:
            raise importlib.metadata.PackageNotFoundError
        message = email.message.Message()
        for url in urls:
            message["Project-URL"] = url
        return message

    monkeypatch.setattr(importlib.metadata, "metadata", metadata)
    figures._source.cache_clear()
    try:
        assert figures.docs_page("a.md") == shown
    finally:
        figures._source.cache_clear()


def test_times_have_three_digits():
    assert [_milliseconds(s) for s in (4.985, 0.1024, 0.00574, 0.0)] == ["4,985 ms", "102 ms", "5.74 ms", "0 ms"]


def test_plurals():
    assert [plural(1, "box"), plural(2, "box"), plural(0, "face")] == ["1 box", "2 boxes", "0 faces"]


# ------------------------------------------------------------------ photos without faces, odd photos, bad input


@pytest.mark.slow
@pytest.mark.parametrize(
    ("options", "shape"),
    [(options, shape) for options in (TINY, faceapi.MtcnnOptions()) for shape in ((60, 80), (1, 1), (1, 3000), (3000, 1))]
    + [(None, (1, 1))],
)
def test_a_photo_without_a_face_gets_a_report(options, shape):
    report = faceapi.inspect(np.full((*shape, 3), 128, np.uint8), options)
    page = Page(report.to_html())
    assert report.faces == ()
    assert "found no face" in page.text
    assert page.text.count("No face: ") <= 1
    small = isinstance(options, faceapi.MtcnnOptions) and 60 not in shape
    assert len(report.networks) == (0 if small else 1)


@pytest.mark.slow
def test_other_kinds_of_photos(astronaut):
    small = astronaut[:256, 100:356]
    alpha = np.dstack([small, np.full(small.shape[:2], 255, np.uint8)])
    for photo in (small.astype(np.float32), small[..., 1], alpha, Image.fromarray(small)):
        assert len(faceapi.inspect(photo, TINY, net="face_expression_net").faces) == 1


@pytest.mark.slow_after(1)
@pytest.mark.parametrize("name", ["face_landmark_68_net", "face_landmark_68_tiny_net", "age_gender_net"])
def test_one_network(astronaut, name):
    report = faceapi.inspect(astronaut, TINY, net=name)
    assert [n.key for n in report.networks] == [name]
    assert all(name in crop.networks for crop in report.faces[0].crops)
    black = faceapi.inspect(np.zeros((50, 50, 3), np.uint8), TINY, net=name)
    assert black.networks == ()
    assert "The network did not run, because there is no face." in Page(black.to_html()).text


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"net": "nose_net"}, "inspect: expected net to be one of ssd_mobilenetv1, .*, got 'nose_net'"),
        ({"options": TINY, "net": "mtcnn"}, "expected MtcnnOptions for mtcnn, got TinyFaceDetectorOptions"),
        ({"options": 3}, "expected options of SsdMobilenetv1Options, .*, got int"),
        ({"photo": [np.zeros((9, 9, 3), np.uint8)] * 2}, "expected one photo, got 2"),
        ({"photo": "/no/such.png"}, "expected an image file, got no such file"),
    ],
)
def test_wrong_arguments(arguments, message):
    with pytest.raises(InvalidArgument, match=message):
        faceapi.inspect(**{"photo": np.zeros((9, 9, 3), np.uint8), **arguments})


@pytest.fixture(scope="module")
def quick():
    return faceapi.inspect(np.zeros((60, 80, 3), np.uint8), TINY)


def test_a_report_is_written_whole_or_not_at_all(quick, tmp_path, monkeypatch):
    quick.save(tmp_path / "a.html")
    assert (tmp_path / "a.html").read_text(encoding="utf-8") == quick.to_html()
    mask = os.umask(0)
    os.umask(mask)
    assert (tmp_path / "a.html").stat().st_mode & 0o777 == 0o666 & ~mask

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(InvalidArgument, match=r"a\.html: expected a file to write the report to, got: No space left on device"):
        quick.save(tmp_path / "a.html")
    assert [path.name for path in tmp_path.iterdir()] == ["a.html"]


def test_places_that_cannot_be_written_to(quick, tmp_path):
    (tmp_path / "file").write_text("")
    for place, reason in (
        (tmp_path, "Is a directory"), (tmp_path / "no" / "x.html", "No such file"), (tmp_path / "file" / "x", "Not a directory"),
        ("a\0b", "null"),
    ):  # fmt: skip
        with pytest.raises(InvalidArgument, match=f"expected a file to write the report to, got: .*{reason}"):
            quick.save(place)


# ------------------------------------------------------------------ the command


@pytest.mark.slow
def test_the_command(run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    status, out, err = run("inspect", ASTRONAUT, "--detector", "tiny", "--net", "face_expression_net")
    assert (status, err) == (0, "")
    assert re.fullmatch(rf"{re.escape(str(ASTRONAUT))}: 1 face; report\.html: \d\.\d MB, open it in a browser\n", out)
    text = Page((tmp_path / "report.html").read_text(encoding="utf-8")).text
    assert "Tiny Face Detector: a detector on a grid" in text
    assert "FaceExpressionNet: seven expressions" in text
    status, out, _ = run("inspect", ASTRONAUT, "--net", "mtcnn", "--out", "m.html", "--min-confidence", "1")
    assert (status, out.split(": ")[1]) == (0, "0 faces; m.html")


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["nothing.png"], "nothing.png: expected an image file, got no such file"),
        ([ROOT], "expected an image file, got a folder"),
        (
            [ASTRONAUT, "--net", "nose_net"],
            "argument --net: expected a network out of ssd_mobilenetv1|ssd, tiny_face_detector|tiny, ",
        ),
        ([ASTRONAUT, "--out", ROOT], "expected a file to write to, got: Is a directory"),
        ([ASTRONAUT, "--out", ROOT / "no" / "x.html"], "x.html: expected a file to write to, got: no such folder"),
        ([ASTRONAUT, "--net", "mtcnn", "--detector", "ssd"], "expected mtcnn or nothing with --net mtcnn, got ssd_mobilenetv1"),
        ([ASTRONAUT, "--weights", ROOT], "--weights: expected --detector tiny_yolov2 with it, got ssd_mobilenetv1"),
        ([ASTRONAUT, "--backend", "abacus"], "expected a backend out of numba, "),
        ([ASTRONAUT, "--min-confidence", "2"], "expected a number in [0, 1], got '2'"),
        ([ASTRONAUT, ASTRONAUT], "unrecognized arguments"),
    ],
)
def test_wrong_usage(run, argv, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    status, out, err = run("inspect", *argv)
    assert (status, out) == (2, "")
    assert message in err.splitlines()[-1]
    assert list(tmp_path.iterdir()) == []


def test_yolo_without_weights(run, tmp_path):
    for more in ([], ["--weights", tmp_path]):
        status, out, err = run("inspect", ASTRONAUT, "--detector", "yolo", "--out", tmp_path / "x.html", *more)
        assert (status, out, err.count("\n")) == (1, "", 1)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_may_not_be_written_to(run, tmp_path):
    tmp_path.chmod(0o500)
    status, _, err = run("inspect", ASTRONAUT, "--out", tmp_path / "x.html")
    tmp_path.chmod(0o700)
    assert status == 2
    assert "expected a file to write to, got: Permission denied" in err


@pytest.mark.slow
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="/proc tells it on Linux alone")
def test_memory():
    source = (
        "import re, npfaceapi as f; len(f.inspect('golden/images/astronaut.png').to_html()); "
        "print(re.search(r'VmHWM:\\s+(\\d+) kB', open('/proc/self/status').read())[1])"
    )
    done = subprocess.run([sys.executable, "-c", source], cwd=ROOT, capture_output=True, text=True, timeout=300, check=True)
    assert int(done.stdout) / 1024 < 400
