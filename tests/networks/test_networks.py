"""Networks: the levels to_batch, run_net and forward, the functions by name, batches, sizes, taps, decoding, threads."""

from __future__ import annotations

import threading
import warnings

import numpy as np
import pytest

import npfaceapi as faceapi
from helpers import ASTRONAUT
from npfaceapi import nets
from npfaceapi.errors import InvalidArgument, InvalidType, NpFaceApiError
from npfaceapi.networks import mtcnn_stages, ssd_mobilenetv1, tiny_yolov2
from npfaceapi.networks.face_landmark_68_net import unpad_points

FACE_NETS = {
    "face_landmark_68_net": {"points": (136,)},
    "face_landmark_68_tiny_net": {"points": (136,)},
    "face_recognition_net": {"descriptor": (128,)},
    "face_expression_net": {"logits": (7,)},
    "age_gender_net": {"age": (), "gender_logits": (2,)},
}
BY_NAME = {
    "face_landmark_68_net": "detect_landmarks",
    "face_landmark_68_tiny_net": "detect_landmarks",
    "face_recognition_net": "compute_face_descriptor",
    "face_expression_net": "predict_expressions",
    "age_gender_net": "predict_age_and_gender",
    "ssd_mobilenetv1": "locate_faces",
    "tiny_face_detector": "locate_faces",
    "mtcnn": "locate_faces",
}
face_nets = pytest.mark.parametrize("name", FACE_NETS)


@pytest.fixture(scope="module")
def photo():
    return faceapi.load_image(ASTRONAUT)


@pytest.fixture(scope="module")
def crops(photo):
    """Three crops of the face, of different shapes."""
    return [photo[70:180, 175:275], photo[60:190, 180:270], photo[80:175, 160:280].astype(np.float32)]


def as_tuple(values):
    return tuple(values[key] for key in sorted(values)) if isinstance(values, dict) else (values,)


# ------------------------------------------------------------------ levels


@face_nets
def test_levels(name, crops):
    net = getattr(nets, name)
    batch = net.to_batch(crops)
    S = net.input_size
    assert batch.shape == (3, S, S, 3)
    assert batch.dtype == np.float32
    assert 0 <= batch.min() <= batch.max() <= 255
    assert batch.max() > 100  # before any mean or scale
    out = net.run_net(batch)
    assert {key: value.shape[1:] for key, value in out.items()} == FACE_NETS[name]
    assert all(value.dtype == np.float32 and len(value) == 3 for value in out.values())
    for values in as_tuple(net.forward(crops)):
        assert len(values) == 3
    for values in as_tuple(net.forward(crops[0])):
        assert len(values) == 1  # arrays keep the dimension N


def test_levels_of_the_detectors(photo):
    small = photo[::4, ::4]
    batch = nets.tiny_face_detector.to_batch(small)
    assert batch.shape == (1, 416, 416, 3)
    assert nets.tiny_face_detector.run_net(batch)["grid"].shape == (1, 13, 13, 25)
    batch = nets.ssd_mobilenetv1.to_batch([small])
    out = nets.ssd_mobilenetv1.run_net(batch)
    assert {key: value.shape for key, value in out.items()} == {"box_encodings": (1, 5118, 4), "class_logits": (1, 5118, 3)}
    forward = nets.ssd_mobilenetv1.forward(small)
    assert forward["boxes"][0].shape == (5118, 4)
    np.testing.assert_allclose(forward["scores"][0], 1 / (1 + np.exp(-out["class_logits"][0, :, 1])), atol=1e-6)


def test_levels_of_mtcnn(photo):
    small = photo[:40, :30]
    shapes = {"pnet": {"prob": (10, 15, 2), "regions": (10, 15, 4)}, "rnet": {"prob": (2,), "regions": (4,)}}
    shapes["onet"] = {"prob": (2,), "regions": (4,), "points": (10,)}
    for name, expected in shapes.items():
        part = getattr(nets.mtcnn, name)
        out = part.run_net(part.to_batch([small, small]))
        assert {key: value.shape for key, value in out.items()} == {key: (2, *shape) for key, shape in expected.items()}
        np.testing.assert_allclose(out["prob"].sum(-1), 1, atol=1e-6)
    batch = nets.mtcnn.pnet.to_batch(small)
    assert batch[0, 7, 5].tolist() == small[5, 7, ::-1].tolist()  # transposed, BGR
    for level in ("to_batch", "run_net", "taps", "graph", "plan"):
        with pytest.raises(AttributeError, match=rf"got '{level}': use mtcnn\.pnet, mtcnn\.rnet or mtcnn\.onet"):
            getattr(nets.mtcnn, level)
    with pytest.raises(AttributeError, match=r"got 'nose'$"):
        nets.mtcnn.nose  # noqa: B018
    assert not isinstance(nets.mtcnn, faceapi.NeuralNetwork)
    assert not isinstance(nets.tiny_face_detector, faceapi.TinyYolov2)


@pytest.mark.slow_after(3)
@pytest.mark.parametrize("name", BY_NAME)
def test_a_list_in_gives_a_list_out(name, crops):
    function = getattr(getattr(nets, name), BY_NAME[name])
    one, listed, two = function(crops[0]), function(crops[:1]), function(crops[:2])
    if BY_NAME[name] == "locate_faces":
        assert all(isinstance(face, faceapi.FaceDetection) for face in one)
    else:
        assert not isinstance(one, list)
    assert isinstance(listed, list)
    assert len(listed) == 1
    assert len(two) == 2
    assert repr(listed[0]) == repr(one) == repr(two[0])


@face_nets
def test_a_batch_equals_singles_bit_for_bit(name, crops):
    net = getattr(nets, name)
    together = net.run_net(net.to_batch(crops))
    for i, crop in enumerate(crops):
        alone = net.run_net(net.to_batch(crop))
        assert {key: value.tobytes() for key, value in alone.items()} == {
            key: value[i : i + 1].tobytes() for key, value in together.items()
        }


@face_nets
def test_an_empty_batch(name):
    net = getattr(nets, name)
    out = net.run_net(np.zeros((0, net.input_size, net.input_size, 3), np.float32))
    assert {key: value.shape for key, value in out.items()} == {key: (0, *shape) for key, shape in FACE_NETS[name].items()}
    with pytest.raises(InvalidArgument, match="empty"):
        net.forward([])


def test_the_functions_by_name_mean_what_they_say(crops):
    points = nets.face_landmark_68_net.detect_landmarks(crops[0])
    assert isinstance(points, faceapi.FaceLandmarks68)
    left, right, mouth = (points.positions[part].mean(axis=0) for part in (slice(36, 42), slice(42, 48), slice(48, 68)))
    assert 20 < left[0] < mouth[0] < right[0] < 80
    assert 20 < left[1] < mouth[1] < 110
    descriptor = nets.face_recognition_net.compute_face_descriptor(crops[0])
    assert descriptor.shape == (128,)
    assert descriptor.dtype == np.float32
    expressions = nets.face_expression_net.predict_expressions(crops[0])
    assert expressions.as_sorted_array()[0].expression == "happy"
    guess = nets.age_gender_net.predict_age_and_gender(crops[0])
    assert guess.gender == "female"
    assert guess.gender_probability >= 0.5
    assert 15 < guess.age < 60


def test_descriptor_anchor():
    """Values published with the model's port: an all-black crop, and its distance from an all-white one."""
    black, white = (np.full((150, 150, 3), value, np.uint8) for value in (0, 255))
    black, white = nets.face_recognition_net.forward([black, white])
    assert f"{np.linalg.norm(black):.3f}" == "1.308"
    assert f"{faceapi.euclidean_distance(black, white):.3f}" == "0.186"


# ------------------------------------------------------------------ sizes, wrong batches


@pytest.mark.parametrize(("side", "cells"), [(32, 1), (128, 4), (224, 7), (608, 19)])
def test_tiny_face_detector_takes_any_multiple_of_32(photo, side, cells):
    assert nets.tiny_face_detector.forward(photo[::4, ::4], side).shape == (1, cells, cells, 25)


@pytest.mark.parametrize("side", [0, -32, 33, 16, 1.5, "416", True])
def test_tiny_face_detector_takes_no_other_size(side):
    with pytest.raises(InvalidArgument, match="input_size: expected a positive multiple of 32, got"):
        nets.tiny_face_detector.forward(np.zeros((9, 9, 3), np.uint8), side)


def test_fully_convolutional_networks_take_oblong_inputs():
    assert nets.tiny_face_detector.run_net(np.zeros((2, 64, 160, 3)))["grid"].shape == (2, 2, 5, 25)
    assert nets.mtcnn.pnet.run_net(np.zeros((1, 12, 31, 3)))["prob"].shape == (1, 1, 11, 2)
    cells = [(6, 4), (3, 2), (2, 1), (1, 1), (1, 1), (1, 1)]
    rows = sum(h * w * (3 if i == 0 else 6) for i, (h, w) in enumerate(cells))
    assert nets.ssd_mobilenetv1.run_net(np.zeros((1, 96, 64, 3)))["class_logits"].shape == (1, rows, 3)


def test_inputs_of_one_pixel(photo):
    for shape in ((1, 1, 3), (1, 5000, 3), (5000, 1, 3)):
        image = np.full(shape, 200, np.uint8)
        assert nets.tiny_face_detector.locate_faces(image) == []
        assert nets.mtcnn.locate_faces(image) == []
        assert nets.face_landmark_68_tiny_net.detect_landmarks(image).positions.shape == (68, 2)


@pytest.mark.parametrize(
    ("batch", "error", "message"),
    [
        (np.zeros((150, 150, 3)), InvalidArgument, "expected a batch [N,H,W,3], got an array [150, 150, 3]"),
        (np.zeros((1, 150, 150, 4)), InvalidArgument, "expected a batch [N,H,W,3], got an array [1, 150, 150, 4]"),
        (np.zeros((1, 3, 150, 150)), InvalidArgument, "expected a batch [N,H,W,3], got an array [1, 3, 150, 150]"),
        (np.zeros((1, 5, 5, 3)), InvalidArgument, "expected an input of at least 7x7 pixels, got 5x5"),
        (np.zeros((1, 0, 0, 3)), InvalidArgument, "expected integers from 1 up, got 0 x 0"),
        (np.zeros((1, 150, 150, 3), bool), InvalidType, "expected a batch of numbers, got bool"),
        (np.zeros((1, 150, 150, 3), complex), InvalidType, "expected a batch of numbers, got complex128"),
        ([[1], [1, 2]], InvalidArgument, "expected a batch [N,H,W,3], got an array []"),
        (None, InvalidArgument, "expected a batch [N,H,W,3], got an array []"),
    ],
)
def test_wrong_batches(batch, error, message):
    with pytest.raises(error) as caught:
        nets.face_recognition_net.run_net(batch)
    assert message in str(caught.value)


def test_any_number_type_and_layout_gives_the_same_bits(crops):
    net = nets.face_landmark_68_tiny_net
    batch = np.floor(net.to_batch(crops))
    expected = net.run_net(batch)["points"].tobytes()
    for same in (batch.astype(np.uint8), batch.astype(np.float64), np.asfortranarray(batch), batch.tolist()):
        assert net.run_net(same)["points"].tobytes() == expected


def test_wrong_backends():
    with pytest.raises(InvalidArgument, match="expected a backend out of numba, reference"):
        nets.face_landmark_68_tiny_net.run_net(np.zeros((1, 112, 112, 3)), backend="abacus")


def test_backends_agree(crops):
    net = nets.face_landmark_68_tiny_net
    batch = net.to_batch(crops[:1])
    fast, slow, exact = (net.run_net(batch, backend=name)["points"] for name in ("numba", "reference", "reference64"))
    assert exact.dtype == np.float64
    for values in (fast, slow):
        assert np.abs(values - exact).max() <= 1e-5 * np.abs(exact).max()
    with faceapi.use_backend("reference"):
        assert net.run_net(batch)["points"].tobytes() == slow.tobytes()


# ------------------------------------------------------------------ graph and taps


def test_taps(crops):
    net = nets.face_landmark_68_tiny_net
    batch = net.to_batch(crops[:2])
    taps = net.taps(batch, ["dense0", "points", "dense1/conv0/conv2d"])
    assert {name: value.shape for name, value in taps.items()} == {
        "dense0": (2, 56, 56, 32),
        "points": (2, 136),
        "dense1/conv0/conv2d": (2, 28, 28, 64),
    }
    assert taps["points"].tobytes() == net.run_net(batch)["points"].tobytes()
    reference = net.taps(batch, ["dense0"], backend="reference")["dense0"]
    np.testing.assert_allclose(taps["dense0"], reference, atol=1e-5 * np.abs(reference).max())
    assert list(net.taps(batch, "dense0")) == ["dense0"]
    assert net.taps(batch, []) == {}
    every = net.taps(batch[:1])
    assert [*every] == [node.name for node in net.graph().nodes[1:]]
    assert all(value.shape == (1, *net.graph().find(name).shape) for name, value in every.items())
    with pytest.raises(InvalidArgument, match="expected the name of a node, block or output, got 'nose'"):
        net.taps(batch, ["nose"])


def test_graph():
    graph = nets.ssd_mobilenetv1.graph()
    assert graph.input.shape == (512, 512, 3)
    assert graph.outputs["box_encodings"].shape == (5118, 4)
    assert graph.parameters == 5_555_519 - 4 * 5118  # the priors belong to decoding
    assert graph is nets.ssd_mobilenetv1.graph()
    assert nets.tiny_face_detector.graph(64, 96).outputs["grid"].shape == (2, 3, 25)
    assert faceapi.TinyYolov2(False).graph(64).parameters == 15_767_454  # known without weights
    for side in (0, -1, 2.5, "64"):
        with pytest.raises(InvalidArgument, match="expected integers from 1 up"):
            nets.tiny_face_detector.graph(side)


# ------------------------------------------------------------------ decoding


def ssd_decode(boxes, scores, image=(200, 100), reshaped=(512, 256), **options):
    boxes, scores = np.array(boxes, np.float32), np.array(scores, np.float32)
    return ssd_mobilenetv1.decode(boxes, scores, image, reshaped, faceapi.SsdMobilenetv1Options(**options))


def test_ssd_boxes_from_encodings():
    priors = np.array([[0.2, 0.4, 0.4, 0.8]], np.float32)  # ymin, xmin, ymax, xmax: 0.2 high, 0.4 wide, centre (0.6, 0.3)
    still = ssd_mobilenetv1.decode_boxes(np.zeros((1, 4), np.float32), priors)
    np.testing.assert_allclose(still, priors, atol=1e-6)
    moved = ssd_mobilenetv1.decode_boxes(np.array([[10, -10, 5 * np.log(2), 5 * np.log(0.5)]], np.float32), priors)
    np.testing.assert_allclose(moved, [[0.5 - 0.2, 0.2 - 0.1, 0.5 + 0.2, 0.2 + 0.1]], atol=1e-6)
    assert moved.dtype == np.float32


def test_ssd_clips_to_the_padded_square_and_undoes_the_padding():
    (face,) = ssd_decode([[-0.1, 0.25, 0.75, 1.2]], [0.9])
    box = face.relative_box
    np.testing.assert_allclose([box.left, box.top, box.right, box.bottom], [0.25, 0, 1, 1.5])  # below the photo: not clipped
    np.testing.assert_allclose([face.box.left, face.box.bottom], [50, 150])
    assert ssd_decode([[1.1, 0, 1.4, 0.5], [-0.5, 0, -0.2, 0.5]], [0.9, 0.8]) == []  # outside altogether


def test_ssd_thresholds_and_order():
    apart = [[0.1 * i, 0, 0.1 * i + 0.05, 0.05] for i in range(5)]
    faces = ssd_decode(apart, [0.5, 0.9, 0.7, 0.5, 0.0])
    assert [round(face.score, 1) for face in faces] == [0.9, 0.7]  # 0.5 is not above 0.5
    assert len(ssd_decode(apart, [0.5, 0.9, 0.7, 0.5, 0.0], min_confidence=0)) == 4
    assert len(ssd_decode(apart, [0.5, 0.9, 0.7, 0.5, 0.0], max_results=1)) == 1
    assert ssd_decode(apart, [0.5, 0.9, 0.7, 0.5, 0.0], max_results=0) == []
    assert ssd_decode(apart, [1] * 5, min_confidence=1) == []
    same = ssd_decode([apart[0], apart[0], apart[2]], [0.8, 0.8, 0.8])
    assert [face.box.top for face in same] == [0, pytest.approx(40)]  # the first of two equals stays


def yolo_decode(grid, threshold=0.5, config=tiny_yolov2.SEPARABLE):
    return tiny_yolov2.decode(grid, config, (200, 100), (416, 208), 416, threshold)


def test_yolo_box_of_one_cell():
    grid = np.full((13, 13, 25), -20, np.float32)
    grid[3, 5, 10:15] = [0, 0, 0, np.log(2), 3]  # row 3, column 5, anchor 2
    (face,) = yolo_decode(grid)
    width, height = np.array(tiny_yolov2.SEPARABLE.anchors[2]) * (1, 2) / 13 * (200, 200)
    assert face.score == pytest.approx(1 / (1 + np.exp(-3)), abs=1e-15)
    assert face.box.width == pytest.approx(width)
    assert face.box.height == pytest.approx(height)
    assert face.box.x == pytest.approx(5.5 / 13 * 200 - width / 2)
    assert face.box.y == pytest.approx(3.5 / 13 * 200 - height / 2)


def test_yolo_thresholds():
    grid = np.full((13, 13, 25), -40, np.float32)
    assert yolo_decode(grid) == []
    grid[..., 4] = 0  # sigmoid(0) = 0.5 is not above 0.5
    assert yolo_decode(grid) == []
    assert len(yolo_decode(grid, 0)) > 10
    assert yolo_decode(grid, 1) == []


def test_extreme_outputs_give_no_warning():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        scores = ssd_mobilenetv1.decode_scores(np.array([[0, -2000, 0], [0, 2000, 0]], np.float32))
        assert scores.tolist() == [0, 1]
        ssd_mobilenetv1.decode_boxes(np.full((1, 4), 3000, np.float32), np.array([[0, 0, 0.5, 0.5]], np.float32))
        grid = np.full((13, 13, 25), -2000, np.float32)
        assert yolo_decode(grid, 0) == []
        grid[6, 6, :5] = [2000, -2000, 5, 5, 2000]
        (face,) = yolo_decode(grid)
        assert face.score == 1


def test_yolo_scores_with_a_class_ignore_it():
    grid = np.full((13, 13, 30), -20, np.float32)
    grid[0, 0, :6] = [0, 0, 0, 0, 2, -50]
    (face,) = yolo_decode(grid, config=tiny_yolov2.FULL)
    assert face.score == pytest.approx(1 / (1 + np.exp(-2)))


def test_points_are_relative_to_the_crop_not_the_square():
    points = np.tile([0.5, 0.25], 68).astype(np.float32)
    assert unpad_points(points, 100, 100)[0].tolist() == [0.5, 0.25]
    assert unpad_points(points, 200, 100)[0].tolist() == pytest.approx([0.5, 0])  # a quarter of the square is above the crop
    assert unpad_points(points, 50, 200)[0].tolist() == pytest.approx([0.5, 0.25])


def test_mtcnn_stages_without_candidates():
    empty = np.zeros((0, 4))
    boxes, scores = mtcnn_stages.stage1_all([])
    assert boxes.shape == (0, 4)
    assert scores.shape == (0,)
    batch, inside = mtcnn_stages.patches(np.zeros((9, 9, 3), np.uint8), np.array([[20.0, 20, 5, 5], [-3, -3, 9, 9]]), 24)
    assert batch.shape == (1, 24, 24, 3)
    assert inside.tolist() == [False, True]
    boxes, scores, points, _ = mtcnn_stages.stage3(empty, np.zeros((0, 2)), empty, np.zeros((0, 10)), 0.7)
    assert (boxes.shape, scores.shape, points.shape) == ((0, 4), (0,), (0, 5, 2))


def test_mtcnn_on_a_photo(photo):
    out = nets.mtcnn.forward_with_stats(photo)
    (face,) = out["results"]
    assert isinstance(face.landmarks, faceapi.FaceLandmarks5)
    assert out["stats"]["scales"][0] == 12 / 20
    assert out["stats"]["stage3_num_boxes"] == 1
    ssd_like = faceapi.Rect(180, 73, 84, 102)
    assert faceapi.iou(face.detection.box, ssd_like) > 0.6
    assert nets.mtcnn.forward(photo, faceapi.MtcnnOptions(score_thresholds=(0.6, 0.7, 1))) == []
    with pytest.raises(NpFaceApiError, match="expected one photo, got 2"):
        nets.mtcnn.forward_with_stats([photo, photo])


# ------------------------------------------------------------------ threads


def test_threads_on_one_network_get_the_same_bits(crops):
    net = faceapi.FaceExpressionNet()
    net.load()  # so that its programs are made by several threads at once, too
    batches = [net.to_batch(crop) for crop in crops]
    expected = [nets.face_expression_net.run_net(batch)["logits"].tobytes() for batch in batches]
    wrong = []

    def work(start):
        try:
            for i in range(start, start + 9):
                assert net.run_net(batches[i % 3])["logits"].tobytes() == expected[i % 3]
        except BaseException as error:
            wrong.append(error)

    threads = [threading.Thread(target=work, args=(start,)) for start in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    assert wrong == []
    assert not any(thread.is_alive() for thread in threads)


def test_the_first_use_by_many_threads_makes_one_network():
    made = []
    start = threading.Barrier(8)
    vars(nets).pop("face_landmark_68_tiny_net", None)

    def work():
        start.wait(timeout=30)
        made.append(nets.face_landmark_68_tiny_net)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    assert len(made) == 8
    assert len({id(net) for net in made}) == 1


def test_unknown_networks():
    with pytest.raises(AttributeError, match="no attribute 'nose_net'; it has age_gender_net, "):
        nets.nose_net  # noqa: B018
    assert dir(nets) == sorted(nets.__all__)


@pytest.mark.parametrize("names", [["nose_net"], "nose_net", ["face_landmark_68_tiny_net", 3]])
def test_warmup_of_unknown_networks(names):
    with pytest.raises(InvalidArgument, match="warmup: expected names out of age_gender_net, "):
        faceapi.warmup(names)


def test_warmup_of_one_network():
    faceapi.warmup("face_landmark_68_tiny_net")
    assert nets.face_landmark_68_tiny_net.is_loaded


@pytest.mark.parametrize(
    ("name", "wrong", "expected"),
    [
        (
            "ssd_mobilenetv1",
            faceapi.TinyFaceDetectorOptions(),
            "SsdMobilenetv1.locate_faces: expected SsdMobilenetv1Options, got TinyFace",
        ),
        ("ssd_mobilenetv1", np.zeros(9), "expected SsdMobilenetv1Options, got ndarray"),
        ("ssd_mobilenetv1", 0, "expected SsdMobilenetv1Options, got int"),
        (
            "tiny_face_detector",
            faceapi.SsdMobilenetv1Options(),
            "TinyFaceDetector.locate_faces: expected TinyYolov2Options, got Ssd",
        ),
        ("mtcnn", 0.5, "Mtcnn.locate_faces: expected MtcnnOptions, got float"),
    ],
)
def test_options_of_another_detector(name, wrong, expected):
    with pytest.raises(faceapi.InvalidType, match=expected):
        getattr(faceapi.nets, name).locate_faces(np.zeros((40, 40, 3), np.uint8), wrong)


def test_empty_scale_steps_give_no_scales():
    stats = faceapi.nets.mtcnn.forward_with_stats(np.zeros((90, 90, 3), np.uint8), faceapi.MtcnnOptions(scale_steps=()))
    assert stats["results"] == stats["stats"]["scales"] == []


def test_plan_is_the_program_that_runs():
    net = nets.face_landmark_68_tiny_net
    plan = net.plan(backend="numba")
    assert sum(step.macs for step in plan.steps) == net.graph().macs
    assert plan is net.plan(112, 112, backend="numba")
    with pytest.raises(InvalidArgument, match="expected a backend that plans, numba or cuda, got 'reference'"):
        net.plan(backend="reference")
