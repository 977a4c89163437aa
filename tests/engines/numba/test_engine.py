"""The numba backend as a whole: threads, determinism, batches of any size, processes, and the folder of compiled kernels."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from pathlib import Path

import llvmlite.binding as llvm
import numpy as np
import pytest

from helpers import ROOT, TESTS
from helpers.comparing import assert_close, assert_same_bits, weights_for
from helpers.small_network import SHAPES, images
from helpers.streams import STREAMS
from helpers.threads import run_in_threads
from npfaceapi import nets
from npfaceapi.engines.numba import jit
from npfaceapi.engines.numba.program import plan
from npfaceapi.engines.reference import ReferenceProgram


@pytest.mark.parametrize("N", [0, 1, 2, 5])
def test_batches_of_any_size(graph, program, N):
    batch = images(N)
    expected = ReferenceProgram(graph, weights_for(SHAPES), list(graph.outputs.values()), np.float64)(batch) if N else None
    actual = program(batch)
    assert [a.shape for a in actual] == [(N, *node.shape) for node in graph.outputs.values()]
    for a, b in zip(actual, expected or actual, strict=True):
        assert_close(a, b)


def test_same_bits_on_any_number_of_threads_and_from_call_to_call(program, threads):
    batch = images(3)
    threads(1)
    expected = program(batch)
    for count in (1, 2, 3, 8, 2):
        threads(count)
        assert_same_bits(program(batch), expected)


@pytest.mark.parametrize("N", [1, 4, 7])
def test_same_bits_in_groups_that_share_the_reading_of_weights(graph, threads, N, monkeypatch):
    program = plan(graph, weights_for(SHAPES), list(graph.outputs.values()))
    batch = images(N, seed=3)
    monkeypatch.setattr(program, "_group", 1)
    expected = program(batch)
    monkeypatch.setattr(program, "_group", 3)
    for count in (1, 2, 3):
        threads(count)
        assert_same_bits(program(batch), expected)


def test_groups_are_for_networks_whose_weights_outweigh_their_images():
    assert nets.face_recognition_net.plan(backend="numba")._group > 1
    assert nets.ssd_mobilenetv1.plan(backend="numba")._group == 1


def test_same_bits_alone_and_in_a_batch(program):
    batch = images(4)
    together = program(batch)
    for n in range(4):
        assert_same_bits(program(batch[n : n + 1]), [y[n : n + 1] for y in together])


def test_the_bit_comparison_can_fail():
    a = np.ones(3, np.float32)
    with pytest.raises(AssertionError):
        assert_same_bits([a], [np.nextafter(a, np.float32(2))])


def test_many_threads_on_one_program(program, threads):
    threads(2)
    inputs = [images(1 + k % 2, seed=k) for k in range(4)]
    expected = [program(x) for x in inputs]

    def work(k):
        for i in range(6):
            assert_same_bits(program(inputs[(k + i) % 4]), expected[(k + i) % 4])

    run_in_threads(work, 8)


def test_any_kind_of_array_is_taken(program):
    batch = images(2)
    expected = program(batch)
    frozen = batch.copy()
    frozen.flags.writeable = False
    for same in (frozen, np.asfortranarray(batch), np.repeat(batch, 2, axis=0)[::2], batch.astype(np.float64)):
        assert_same_bits(program(same), expected)


def test_nan_reaches_the_output_and_no_other_image(program):
    batch = images(2)
    alone = program(batch[1:])
    batch[0, 40, 40, 1] = np.nan
    out, total = program(batch)
    assert np.isnan(out[0]).all()
    assert np.isnan(total[0]).any()
    assert_same_bits([out[1:], total[1:]], alone)


SCRIPT = """
import os, sys, threading
import llvmlite.binding as llvm
import numpy as np
sys.path[:0] = [{root!r}, {tests!r}]
from helpers.comparing import weights_for
from helpers.small_network import SHAPES, network
from npfaceapi import nets
from npfaceapi.engines import thread_count
from npfaceapi.engines.numba import cache
from npfaceapi.engines.numba.program import plan
from npfaceapi.graph import record

thread_count.set_num_threads(2)
graph = record("test", network, SHAPES, (60, 61, 3))
program = plan(graph, weights_for(SHAPES), list(graph.outputs.values()))
batch = np.random.default_rng(0).standard_normal((3, 60, 61, 3)).astype(np.float32)
expected = program(batch)
"""


def run_script(body, **environment):
    """Run SCRIPT and `body` in a fresh process; a variable that is None is unset."""
    source = SCRIPT.format(root=str(ROOT), tests=str(TESTS)) + body
    env = {**os.environ, **{k: v for k, v in environment.items() if v is not None}}
    for name in [k for k, v in environment.items() if v is None]:
        env.pop(name, None)
    return subprocess.run(
        [sys.executable, "-W", "ignore::DeprecationWarning", "-c", source], env=env, capture_output=True, text=True, timeout=300
    )


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_forked_child_computes_the_same():
    done = run_script(
        """
child = os.fork()
if child == 0:
    same = all(a.tobytes() == b.tobytes() for a, b in zip(program(batch), expected))
    os._exit(0 if same else 7)
_, status = os.waitpid(child, 0)
same = all(a.tobytes() == b.tobytes() for a, b in zip(program(batch), expected))
print("child", os.waitstatus_to_exitcode(status), "parent", same)
"""
    )
    assert done.stdout.strip() == "child 0 parent True", done.stderr


@pytest.mark.slow
def test_without_any_writable_folder_kernels_still_run():
    """As in a container without a home and with a read-only package: one line, even if warnings are errors."""
    source = f"""
import sys
sys.path[:0] = [{str(ROOT)!r}]
import npfaceapi.engines.trusted_folder
def walk(*_):
    raise PermissionError("read-only")
npfaceapi.engines.trusted_folder._walk = walk
import llvmlite.binding as llvm
import numpy as np
from npfaceapi.engines.numba import cache
from npfaceapi.engines.numba.program import plan
from npfaceapi import current_backend, ops
from npfaceapi.graph import record
assert cache.cache_folder() is None
graph = record("t", lambda x, p: {{"y": ops.relu(x)}}, {{}}, (2, 2, 3))
print(plan(graph, {{}}, list(graph.outputs.values()))(-np.ones((1, 2, 2, 3), np.float32))[0].max(), current_backend())
"""
    command = [sys.executable, "-W", "error", "-W", "ignore::DeprecationWarning", "-c", source]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "-0.0 numba\n"
    assert done.stderr.count("\n") == 1
    assert "compiling kernels, in each process anew: there is no folder to keep them" in done.stderr


@pytest.mark.parametrize("stream", STREAMS)
@pytest.mark.parametrize("folder", [None, "/somewhere"])
def test_standard_error_can_be_anything_while_kernels_are_compiled(monkeypatch, capsys, stream, folder):
    monkeypatch.setattr(sys, "stderr", STREAMS[stream]())
    monkeypatch.setattr(jit.cache, "cache_folder", lambda: folder)
    jit._announce.__wrapped__()
    assert capsys.readouterr().out == ""


@pytest.mark.slow
def test_a_folder_given_by_the_environment_is_used(tmp_path):
    done = run_script("print(cache.cache_folder())", NUMBA_CACHE_DIR=str(tmp_path))
    assert done.returncode == 0, done.stderr
    assert Path(done.stdout.strip()).parent == tmp_path
    assert list(Path(done.stdout.strip()).iterdir())


def test_importing_the_package_does_not_import_numba():
    source = f"import sys; sys.path[:0] = [{str(ROOT)!r}]; import npfaceapi.engines.dispatch; print('numba' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", source], capture_output=True, text=True, timeout=60)
    assert done.stdout.strip() == "False", done.stderr


OTHER_PROCESSOR = """
import llvmlite.binding as llvm
import numpy as np
from helpers.comparing import assert_close, weights_for
from helpers.small_network import SHAPES, network
from npfaceapi import ops
from npfaceapi.engines.numba.program import plan
from npfaceapi.engines.numba.simd.target import LANES
from npfaceapi.engines.reference import ReferenceProgram
from npfaceapi.graph import record

wide = {"filters": (3, 3, 32, 32)}
for forward, shapes, size in (
    (network, SHAPES, (22, 19, 3)),
    (lambda x, p: {"y": ops.conv2d(x, p["filters"])}, wide, (14, 13, 32)),
):
    graph, weights = record("test", forward, shapes, size), weights_for(shapes)
    outputs = list(graph.outputs.values())
    batch = np.random.default_rng(0).standard_normal((2, *size)).astype(np.float32)
    for a, b in zip(plan(graph, weights, outputs)(batch), ReferenceProgram(graph, weights, outputs, np.float64)(batch)):
        assert_close(a, b, 4e-6)
print(LANES)
"""


@pytest.mark.slow
@pytest.mark.skipif(platform.machine() not in ("x86_64", "AMD64"), reason="names of x86 processors")
@pytest.mark.parametrize(("processor", "lanes"), [("x86-64", 4), ("haswell", 8)])
def test_vectors_of_another_processor(processor, lanes, tmp_path):
    """The vector width follows Numba's target, and narrow vectors give right results too."""
    if processor == "haswell" and not llvm.get_host_cpu_features().get("avx2"):
        pytest.skip("this processor has no AVX2")
    chosen = {"NUMBA_CPU_NAME": processor, "NUMBA_CPU_FEATURES": "", "NUMBA_CACHE_DIR": str(tmp_path)}
    environment = {**os.environ, **chosen, "PYTHONPATH": os.pathsep.join([str(ROOT), str(TESTS)])}
    done = subprocess.run([sys.executable, "-c", OTHER_PROCESSOR], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) == lanes
