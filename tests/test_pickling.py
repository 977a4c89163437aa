"""Networks and tasks go to other processes, and are copied."""

from __future__ import annotations

import asyncio
import copy
import multiprocessing
import pickle
from concurrent.futures import ProcessPoolExecutor

import numpy as np
import pytest
from PIL import Image

import npfaceapi as faceapi
from helpers import ROOT
from npfaceapi import nets
from npfaceapi.networks.registry import NETS
from npfaceapi.tasks import FACE_LANDMARKS

pytestmark = pytest.mark.slow

PHOTO = ROOT / "golden" / "images" / "astronaut.png"
TINY = faceapi.TinyFaceDetectorOptions(input_size=160)
PARTS = ("pnet", "rnet", "onet")
protocols = pytest.mark.parametrize("protocol", range(2, pickle.HIGHEST_PROTOCOL + 1))


def again(value, protocol=pickle.HIGHEST_PROTOCOL):
    return pickle.loads(pickle.dumps(value, protocol))


def bits(net):
    return net.serialize_params().tobytes()


# ------------------------------------------------------------------ networks


@protocols
def test_ready_networks_are_pickled_as_their_names(protocol):
    for net in (*(getattr(nets, name) for name in NETS), *(getattr(nets.mtcnn, part) for part in PARTS)):
        assert again(net, protocol) is net
        assert again(net.shapes, protocol) == net.shapes
        assert len(pickle.dumps(net, protocol)) < 200


@protocols
def test_networks_of_ones_own(protocol):
    net = faceapi.FaceLandmark68TinyNet()
    assert not again(net, protocol).is_loaded
    net.load()
    assert len(pickle.dumps(net, protocol)) < 300  # the bundled weights need not travel
    assert bits(again(net, protocol)) == bits(net)
    net.reassign_param_from_path("fc/bias", np.ones(136, np.float32))
    other = again(net, protocol)
    assert other is not net
    assert type(other) is type(net)
    assert bits(other) == bits(net)
    assert not other.tensors["fc/bias"].flags.writeable


@pytest.mark.parametrize("separable", [True, False])
def test_tiny_yolov2_of_ones_own(separable):
    net = faceapi.TinyYolov2(separable)
    assert again(net).with_separable_convs is separable
    net.load(np.arange(1_794_500 if separable else 15_767_454, dtype=np.float32))
    assert bits(again(net)) == bits(net)
    assert again(net).with_separable_convs is separable
    assert copy.deepcopy(net).config == net.config


def test_mtcnn_of_ones_own():
    net = faceapi.Mtcnn()
    net.load_from_weight_map({name: tensor * 2 for name, tensor in nets.mtcnn.tensors.items()})
    assert bits(again(net)) == bits(net)
    part, other = net.rnet, again(net.rnet)
    assert bits(other) == bits(part) != bits(nets.mtcnn.rnet)
    whole, onet = again((net, net.onet))
    assert whole.onet is onet
    for copied in (copy.copy(net), copy.deepcopy(net)):
        assert bits(copied) == bits(net)
        assert copied.pnet is not net.pnet
        copied.load()
        assert bits(copied.pnet) == bits(nets.mtcnn.pnet) != bits(net.pnet)
    for copied in (copy.copy(net.onet), copy.deepcopy(net.onet)):
        assert bits(copied) == bits(net.onet)
        assert copied is not net.onet


def test_a_ready_network_with_other_weights_takes_them_along():
    net = nets.face_landmark_68_tiny_net
    bundled = bits(net)
    try:
        net.reassign_param_from_path("fc/bias", np.ones(136, np.float32))
        assert bits(again(net)) == bits(net) != bundled
        assert again(net) is not net
    finally:
        net.load()
    assert again(net) is net


@pytest.mark.parametrize("make", [copy.copy, copy.deepcopy])
@pytest.mark.parametrize("name", [name for name in NETS if NETS[name].is_bundled])
def test_a_copy_is_a_network_of_its_own(name, make):
    net = getattr(nets, name)
    copied = make(net)
    assert copied is not net
    assert type(copied) is type(net)
    assert copied.is_loaded is net.is_loaded
    assert bits(copied) == bits(net)
    copied.load(net.serialize_params() * np.float32(2))
    assert bits(copied) != bits(net)
    net.dispose()
    assert copied.is_loaded
    assert again(net) is net


def test_copies_of_networks_without_weights():
    for net in (faceapi.TinyYolov2(False), nets.tiny_yolov2, faceapi.FaceExpressionNet()):
        for make in (copy.copy, copy.deepcopy, again):
            assert not make(net).is_loaded
            assert repr(make(net)) == repr(net)


def test_a_copy_computes_the_same():
    net = nets.face_landmark_68_tiny_net
    batch = np.random.default_rng(0).uniform(0, 255, (2, 112, 112, 3)).astype(np.float32)
    expected = net.run_net(batch)["points"].tobytes()
    for other in (copy.copy(net), copy.deepcopy(net), again(net)):
        assert other.run_net(batch)["points"].tobytes() == expected


# ------------------------------------------------------------------ tasks


def tasks():
    pixels = np.zeros((30, 40, 3), np.uint8)
    for photo in (str(PHOTO), PHOTO, PHOTO.read_bytes(), pixels, [str(PHOTO), pixels], Image.fromarray(pixels)):
        task = faceapi.detect_all_faces(photo, TINY)
        yield task
        yield task.with_face_landmarks().with_face_descriptors()
        yield faceapi.detect_single_face(photo, TINY).with_face_landmarks(True).with_face_expressions().with_age_and_gender()


@protocols
def test_tasks_are_their_photo_options_and_steps(protocol):
    for task in tasks():
        for other in (again(task, protocol), copy.copy(task), copy.deepcopy(task)):
            assert type(other) is type(task)
            assert (other.options, other.steps, repr(other)) == (task.options, task.steps, repr(task))
            images = [faceapi.to_net_input(one.photo).image_tensors for one in (other, task)]
            assert all(np.array_equal(a, b) for a, b in zip(*images, strict=True))


def test_a_pickled_task_runs():
    task = again(faceapi.detect_all_faces(PHOTO, TINY).with_face_landmarks())
    assert FACE_LANDMARKS in task.steps
    with pytest.raises(faceapi.InvalidArgument, match=r"expected to be (called once|the first step)"):
        task.with_face_landmarks()
    result = task.with_face_descriptors().run()
    assert result == faceapi.detect_all_faces(PHOTO, TINY).with_face_landmarks().with_face_descriptors().run()
    assert list(asyncio.run(run(again(task)))) == list(task)


async def run(task):
    return await task


def test_what_a_task_has_computed_stays_here():
    task = faceapi.detect_all_faces(PHOTO, TINY)
    before = pickle.dumps(task)
    assert len(task) == 1
    assert pickle.dumps(task) == before
    assert list(again(task)) == list(task)


def test_a_photo_that_cannot_be_pickled_says_so():
    with PHOTO.open("rb") as file, pytest.raises(TypeError, match="pickle"):
        pickle.dumps(faceapi.detect_all_faces(file))


# ------------------------------------------------------------------ processes


@pytest.mark.slow
@pytest.mark.parametrize("method", multiprocessing.get_all_start_methods())
def test_pools_of_processes(method):
    expected = nets.tiny_face_detector.locate_faces(str(PHOTO), TINY)
    net = copy.copy(nets.face_landmark_68_tiny_net)
    net.reassign_param_from_path("fc/bias", np.full(136, 0.25, np.float32))
    batch = np.zeros((1, 112, 112, 3), np.float32)
    task = faceapi.detect_all_faces(str(PHOTO), TINY).with_face_landmarks()
    with ProcessPoolExecutor(2, multiprocessing.get_context(method)) as pool:
        found = list(pool.map(nets.tiny_face_detector.locate_faces, [str(PHOTO)] * 3, [TINY] * 3))
        points = list(pool.map(net.run_net, [batch] * 2))
        results = list(pool.map(type(task).run, [task] * 2))
    assert found == [expected] * 3
    assert [one["points"].tobytes() for one in points] == [net.run_net(batch)["points"].tobytes()] * 2
    assert results == [task.run()] * 2
