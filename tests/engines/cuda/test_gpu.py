"""The cuda backend on a real GPU: what the simulator cannot show.  Skipped without a GPU."""

from __future__ import annotations

import os
import subprocess
import sys
import threading

import numpy as np
import pytest

import npfaceapi as faceapi
from helpers import ROOT
from helpers.comparing import assert_same_bits
from helpers.threads import run_in_threads
from npfaceapi.engines import dispatch

STATUS = dispatch.available_backends()["cuda"]

pytestmark = pytest.mark.skipif(not STATUS or "simulator" in STATUS.detail, reason=f"no GPU: {STATUS.detail}")


def batch_of(N, size=112, seed=0):
    return np.random.default_rng(seed).uniform(0, 255, (N, size, size, 3)).astype(np.float32)


def program_of(net):
    graph = net.graph()
    return dispatch.prepare(graph, net.tensors, list(graph.outputs.values()), "cuda")


@pytest.mark.parametrize("name", ["face_landmark_68_net", "face_recognition_net", "age_gender_net", "ssd_mobilenetv1"])
def test_launched_and_replayed_alone_and_in_a_batch(name):
    net = getattr(faceapi.nets, name)
    program, batch = program_of(net), batch_of(5, net.input_size)
    launched = program(batch)
    assert not program.is_recorded
    for _ in range(3):
        assert_same_bits(program(batch), launched)
    assert program.is_recorded
    for n in range(5):
        assert_same_bits(program(batch[n : n + 1]), [y[n : n + 1] for y in launched])
    together = program(np.repeat(batch, 13, axis=0))  # 65 images: other tiles
    assert_same_bits([y[::13] for y in together], launched)
    truth = net.run_net(batch[:2], backend="reference64")
    for y, expected in zip(launched, truth.values(), strict=True):
        assert np.abs(y[:2] - expected).max() <= 3e-6 * np.abs(expected).max()


def test_memory_does_not_grow_over_a_thousand_calls():
    from numba import cuda

    net = faceapi.nets.face_landmark_68_tiny_net
    batches = [batch_of(N) for N in (1, 3, 8, 2)]
    free = []
    for i in range(1000):
        net.run_net(batches[i % 4], backend="cuda")
        if i in (50, 999):
            free.append(cuda.current_context().get_memory_info().free)
    assert free[1] >= free[0] - (8 << 20)


def test_a_batch_that_does_not_fit_goes_in_parts(monkeypatch):
    from npfaceapi.engines.cuda import device

    net = faceapi.nets.face_landmark_68_tiny_net
    program, batch = program_of(net), batch_of(20)
    expected = program(batch)
    monkeypatch.setattr(device.device(), "most_numbers", lambda: 3 * program._memory_plan.size)
    assert_same_bits(program_of(net)(batch), expected)


def test_more_than_the_gpu_has_is_a_clear_error():
    from npfaceapi.engines.cuda import device

    gpu = device.device()
    with device.lock, pytest.raises(faceapi.DeviceError, match="expected room on the GPU"):
        gpu.reserve(1 << 45)
    faceapi.nets.face_landmark_68_tiny_net.run_net(batch_of(1), backend="cuda")


def test_many_threads():
    nets = [faceapi.nets.face_landmark_68_net, faceapi.nets.face_expression_net, faceapi.nets.age_gender_net]
    inputs = [batch_of(1 + k, seed=k) for k in range(3)]
    expected = [[list(net.run_net(x, backend="cuda").values()) for x in inputs] for net in nets]

    def work(k):
        for i in range(30):
            n, m = (k + i) % 3, i % 3
            assert_same_bits(list(nets[n].run_net(inputs[m], backend="cuda").values()), expected[n][m])

    run_in_threads(work, 8)


def test_capture_beside_a_thread_that_uses_the_default_stream():
    from numba import cuda

    net, done, failures = faceapi.nets.face_landmark_68_tiny_net, threading.Event(), []

    def work():
        try:
            values = np.ones(1000, np.float32)
            while not done.is_set():
                assert cuda.to_device(values).copy_to_host().sum() == 1000
        except BaseException as error:
            failures.append(error)

    worker = threading.Thread(target=work)
    worker.start()
    try:
        for N in range(1, 20):
            program = program_of(net)
            for _ in range(2):
                program(batch_of(N))
            assert program.is_recorded
    finally:
        done.set()
        worker.join(timeout=60)
    assert not failures


SCRIPT = """
import os, sys
sys.path[:0] = [{root!r}]
import numpy as np
import npfaceapi as faceapi
net = faceapi.nets.face_landmark_68_tiny_net
run = lambda: net.run_net(np.full((2, 112, 112, 3), 90, np.float32), backend="cuda")["points"]
"""


def run_script(body):
    return subprocess.Popen(
        [sys.executable, "-c", SCRIPT.format(root=str(ROOT)) + body], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def test_a_forked_child_gets_a_clear_error_and_the_parent_goes_on():
    process = run_script(
        """
first = run()
child = os.fork()
if child == 0:
    try:
        run()
    except faceapi.BackendUnavailable as error:
        os._exit(0 if "spawn" in str(error) else 3)
    os._exit(4)
_, status = os.waitpid(child, 0)
print(os.waitstatus_to_exitcode(status), run().tobytes() == first.tobytes())
"""
    )
    out, err = process.communicate(timeout=180)
    assert out.strip() == "0 True", err


def test_a_child_forked_before_the_gpu_was_used_works():
    process = run_script(
        """
child = os.fork()
if child == 0:
    run()
    os._exit(0)
_, status = os.waitpid(child, 0)
print(os.waitstatus_to_exitcode(status))
"""
    )
    out, err = process.communicate(timeout=180)
    assert out.strip() == "0", err


def test_two_processes_at_once():
    body = "import hashlib; print({hashlib.sha256(run().tobytes()).hexdigest() for _ in range(50)})"
    processes = [run_script(body) for _ in range(2)]
    answers = [process.communicate(timeout=300) for process in processes]
    assert len({out for out, _ in answers}) == 1, answers
    assert answers[0][0].count("'") == 2


def test_kernels_are_kept_on_disk(tmp_path):
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(tmp_path)}
    source = SCRIPT.format(root=str(ROOT)) + "run()"
    subprocess.run([sys.executable, "-c", source], env=environment, check=True, timeout=300)
    assert list(tmp_path.rglob("*.nbi"))


def test_resizing_has_the_bits_of_the_cpu():
    from npfaceapi.engines.cuda.resizing import resize_bilinear

    image = np.random.default_rng(0).integers(0, 256, (301, 407, 3), np.uint8)
    for size in ((112, 112), (600, 512), (301, 407)):
        assert resize_bilinear(image, size).tobytes() == faceapi.resize_bilinear(image, size).tobytes()
