"""What the chain costs beside its networks: time, and weights that are kept twice."""

from __future__ import annotations

import subprocess
import sys
import time

import numpy as np
import pytest

from npfaceapi.benchmark.chain import photo_of_three, run_chain
from npfaceapi.networks import loaded
from npfaceapi.networks.face_landmark_68_net import FaceLandmark68TinyNet
from npfaceapi.networks.face_recognition_net import FaceRecognitionNet
from npfaceapi.networks.neural_network import NeuralNetwork
from npfaceapi.networks.ssd_mobilenetv1 import SsdMobilenetv1
from npfaceapi.weights import load_weight_map

# ------------------------------------------------------------------ time


@pytest.fixture
def one_thread(threads):
    threads(1)


@pytest.mark.alone
@pytest.mark.slow
def test_what_surrounds_the_networks_takes_less_than_15_percent(one_thread, monkeypatch):
    """Processor time of one thread, so that a busy machine slows both parts alike; the least disturbed of ten runs."""
    inside = []
    original = NeuralNetwork._run

    def timed(*arguments):
        start = time.thread_time()
        try:
            return original(*arguments)
        finally:
            inside.append(time.thread_time() - start)

    monkeypatch.setattr(NeuralNetwork, "_run", timed)
    photo = photo_of_three()
    run_chain(photo)
    shares = []
    for _ in range(10):
        inside.clear()
        start = time.thread_time()
        faces = run_chain(photo)
        whole = time.thread_time() - start
        assert (len(faces), len(inside)) == (3, 5)
        shares.append((whole - sum(inside)) / sum(inside))
    assert 0 < min(shares) < 0.15, shares


# ------------------------------------------------------------------ weights in memory


@pytest.fixture
def reads(monkeypatch):
    """How often weight files were read."""
    from npfaceapi.networks import network_weights

    models = []
    original = network_weights.bundled_weights

    def counted(model, names):
        models.append(model)
        return original(model, names)

    monkeypatch.setattr(network_weights, "bundled_weights", counted)
    return models


def batch_for(net):
    return np.full((1, net.input_size, net.input_size, 3), 100, np.float32)


def test_large_tensors_are_not_kept_beside_the_program(reads):
    net = FaceRecognitionNet()
    net.load()
    expected = net.run_net(batch_for(net))["descriptor"]
    assert net._loaded._tensors is None
    assert net.run_net(batch_for(net))["descriptor"].tobytes() == expected.tobytes()
    assert len(reads) == 1
    assert net.is_loaded

    tensors = net.tensors  # who asks for them gets them, and they stay
    assert len(reads) == 2
    assert all(not tensor.flags.writeable and tensor.dtype == np.float32 for tensor in tensors.values())
    whole_file = load_weight_map(None, net.model_name)
    assert all(tensor.tobytes() == whole_file[name].tobytes() for name, tensor in tensors.items())
    net.taps(batch_for(net), ["conv32_1"])
    assert net.tensors is tensors
    assert net.serialize_params().size == 5_614_592
    assert len(reads) == 2


def test_tensors_that_were_asked_for_before_stay(reads):
    net = FaceRecognitionNet()
    net.load()
    tensors = net.tensors
    net.run_net(batch_for(net))
    assert net.tensors is tensors
    assert reads == ["face_recognition_model"]


@pytest.mark.slow
def test_a_second_program_reads_them_again_and_a_third_does_not(reads):
    net = SsdMobilenetv1()
    net.load()
    with_features = ["MobilenetV1/Conv2d_11_pointwise", "MobilenetV1/Conv2d_13_pointwise"]
    first = net.run_net(batch_for(net))["class_logits"]
    assert net.priors.shape == (5118, 4)
    assert len(reads) == 1
    net.taps(batch_for(net), with_features[:1])
    net.taps(batch_for(net), with_features)
    assert len(reads) == 2
    assert net.run_net(batch_for(net))["class_logits"].tobytes() == first.tobytes()


def test_small_tensors_and_those_of_ones_own_stay(reads, monkeypatch):
    small = FaceLandmark68TinyNet()
    small.load()
    small.run_net(batch_for(small))
    assert small._loaded._tensors is not None
    monkeypatch.setattr(loaded, "KEPT_BYTES", 0)
    own = FaceLandmark68TinyNet()
    own.load_from_weight_map(small.tensors)
    own.run_net(batch_for(own))
    own.taps(batch_for(own), ["dense0"])
    assert own._loaded._tensors is not None
    assert reads == ["face_landmark_68_tiny_model"]


@pytest.mark.slow
def test_a_fresh_process_resizes_without_numba():
    """A kernel that calls Numba at run time could not be kept on disk: every process would compile it anew."""
    source = """
import sys
import numpy as np
from npfaceapi import resize_bilinear
resize_bilinear(np.zeros((9, 9, 3), np.uint8), (5, 5))
print("numba" in sys.modules)
"""
    outputs = [subprocess.run([sys.executable, "-c", source], capture_output=True, text=True, check=True) for _ in range(2)]
    assert outputs[1].stdout == "False\n"
