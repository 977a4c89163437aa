"""Every CUDA kernel compiled for real GPUs, as far as possible without one: to PTX by NVVM, to machine code by nvJitLink.

This checks that the kernels can be typed and lowered, that no local array spills out of the registers, and the registers and
bytes of shared memory of a block.  It does not check what they compute: see tests/engines/cuda_simulator.
"""

from __future__ import annotations

import re
import types

import pytest

numba_cuda = pytest.importorskip("numba_cuda", reason="numba-cuda is not installed")

from npfaceapi.engines.cuda import jit  # noqa: E402
from npfaceapi.engines.cuda.kernels import product  # noqa: E402
from npfaceapi.engines.cuda.launches import PRODUCTS, TILES, every_kernel  # noqa: E402

KERNELS = every_kernel()
REGISTERS = 65536  # of a multiprocessor, since compute capability 3.0
ENTRY = re.compile(r"\.visible \.entry (\w+)\(")


@pytest.fixture(scope="module")
def ptx_of():
    """Compiles a kernel for compute capability 8.0, as numba-cuda does with such a GPU."""
    if jit.SIMULATED:
        pytest.skip("the simulator compiles nothing")
    from cuda.bindings import nvrtc
    from numba import cuda
    from numba.cuda import compiler, dispatcher
    from numba.cuda.cudadrv import nvvm

    try:
        nvvm.NVVM()
        nvrtc.nvrtcGetNumSupportedArchs()
    except Exception as error:
        pytest.skip(f"NVIDIA's compilers are missing (pip install 'npfaceapi[cuda13]'): {str(error).splitlines()[0]}")
    compiled: dict[str, str] = {}
    device = types.SimpleNamespace(compute_capability=(8, 0))  # device functions are compiled for the current GPU
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(dispatcher, "get_current_device", lambda: device)
        patch.setattr(compiler, "get_current_device", lambda: device)

        def ptx(name):
            if name not in compiled:
                kernel = KERNELS[name]
                bounds = kernel.launch_bounds
                compiled[name] = cuda.compile_ptx(kernel.function, kernel.signature, cc=(8, 0), launch_bounds=bounds)[0]
            return compiled[name]

        yield ptx


@pytest.fixture(scope="module")
def report_of(ptx_of):
    """The assembler's figures for a kernel: (registers, bytes of stack, bytes of shared memory)."""
    nvjitlink = pytest.importorskip("cuda.bindings.nvjitlink")

    def report(name):
        ptx = ptx_of(name).encode()
        try:
            handle = nvjitlink.create(3, ["-arch=sm_80", "-verbose", "-Xptxas=-v"])
        except Exception as error:
            pytest.skip(f"nvJitLink is missing (pip install 'npfaceapi[cuda13]'): {str(error).splitlines()[0]}")
        try:
            nvjitlink.add_data(handle, nvjitlink.InputType.PTX, ptx, len(ptx), name)
            nvjitlink.complete(handle)
            log = bytearray(nvjitlink.get_info_log_size(handle))
            nvjitlink.get_info_log(handle, log)
        finally:
            nvjitlink.destroy(handle)
        text = log.decode()
        found = [
            re.search(pattern, text) for pattern in (r"Used (\d+) registers", r"(\d+) bytes stack frame", r"(\d+) bytes smem")
        ]
        assert found[0], text
        return tuple(int(match[1]) if match else 0 for match in found)

    return report


@pytest.mark.parametrize("name", KERNELS)
def test_a_kernel_compiles(ptx_of, name):
    ptx = ptx_of(name)
    assert ENTRY.search(ptx)
    if "sigmoid" not in name and "softmax" not in name and "resize" not in name:
        assert ".f64" not in ptx  # a float64 literal would promote everything to float64


@pytest.mark.parametrize("name", KERNELS)
def test_a_kernel_fits_into_a_multiprocessor(report_of, name):
    registers, stack, shared = report_of(name)
    threads, together = KERNELS[name].launch_bounds or (jit.THREADS, 1)
    assert registers * threads * together <= REGISTERS
    assert stack == 0
    assert shared <= 48 * 1024


@pytest.mark.parametrize("name", [name for name in KERNELS if "product " in name])
def test_a_product_reads_shared_memory_in_vectors_and_fuses_every_step(ptx_of, name):
    ptx = ptx_of(name)
    TM, TN = TILES[name.split()[-1]][:2]
    assert len(re.findall(r"fma\.rn\.f32", ptx)) >= product.BK * TM * TN
    assert not re.search(r"ld\.shared\.f32", ptx)
    assert len(re.findall(r"ld\.shared\.v[24]\.f32", ptx)) == product.BK * (TM // min(TM, 4) + TN // min(TN, 4))
    assert len(re.findall(r"bar\.sync", ptx)) == 1


def test_the_resizer_never_joins_a_product_and_a_sum(ptx_of):
    """One rounding less (a fused multiply-add) would give other bits than face-api.js."""
    ptx = ptx_of("resize")
    assert "mul.rn.f64" in ptx
    assert "fma.rn.f64" not in ptx


def test_the_backend_compiles_with_these_settings(ptx_of, monkeypatch):
    """The first launch, up to the point where numba-cuda loads the kernel onto a GPU."""
    from numba.cuda import codegen, dispatcher

    gpu = types.SimpleNamespace(compute_capability=(8, 0))
    monkeypatch.setattr(codegen, "devices", types.SimpleNamespace(get_context=lambda: types.SimpleNamespace(device=gpu)))
    monkeypatch.setattr(dispatcher._Kernel, "bind", lambda self: None)
    monkeypatch.setattr(jit, "kernel_folder", lambda package: None)
    kernel = PRODUCTS["tall"]
    kernel = jit.Kernel(kernel.function, *kernel.launch_bounds)
    (compiled,) = kernel._compiled.overloads.values()
    assert compiled.argument_types == kernel.signature.args
    assert compiled.launch_bounds == kernel.launch_bounds
    assert len(kernel.signature.args) == len(kernel.arguments)
    with jit._no_warning_of_small_grids():  # warnings are errors here
        configured = kernel._compiled[(1, 2, 3), 256]
    assert configured.griddim == (1, 2, 3)


def test_no_kernel_is_left_out():
    from npfaceapi.engines.cuda.kernels import depthwise, narrow, pixels, resizing

    for module in (depthwise, narrow, pixels, product, resizing):
        alone = {value for value in vars(module).values() if isinstance(value, jit.Kernel)}
        assert alone <= set(KERNELS.values()), module
