"""The cuda backend's use of NVIDIA's driver, with fakes of it: the stream, the memory, failed captures."""

from __future__ import annotations

import types

import pytest

pytest.importorskip("numba_cuda", reason="numba-cuda is not installed")
driver = pytest.importorskip("cuda.bindings.driver")

from npfaceapi.engines.cuda import device  # noqa: E402
from npfaceapi.errors import DeviceError  # noqa: E402

pytestmark = pytest.mark.skipif(device.SIMULATED, reason="the simulator has no driver")


class CUDAError(Exception):
    """Like cuda.core's error, which is not a RuntimeError."""


@pytest.fixture
def gpu(monkeypatch):
    """A device with pending frees, as in numba-cuda; `gpu.log` is the order of events."""
    gpu = object.__new__(device.Device)
    gpu.memory, gpu.generation, gpu._failures, gpu.log = types.SimpleNamespace(size=10), 0, 0, []
    gpu.number, gpu.current = 1, types.SimpleNamespace(id=1)
    gpu.stream = types.SimpleNamespace(synchronize=lambda: gpu.log.append("wait"))
    pending = types.SimpleNamespace(clear=lambda: gpu.log.append(f"free, holding {gpu.numbers}"))
    manager = types.SimpleNamespace(deallocations=pending)

    def device_array(numbers, dtype, stream):
        gpu.log.append("allocate")
        return types.SimpleNamespace(size=numbers)

    monkeypatch.setattr(device.cuda, "current_context", lambda: types.SimpleNamespace(memory_manager=manager, device=gpu.current))
    monkeypatch.setattr(device.cuda, "device_array", device_array)
    return gpu


def test_old_memory_is_freed_before_the_new_is_allocated(gpu):
    gpu.reserve(20)
    assert gpu.log == ["wait", "free, holding 0", "allocate"]
    assert gpu.numbers == 20
    gpu.reserve(15)
    assert len(gpu.log) == 3


def test_the_stream_is_not_tied_to_the_default_stream(gpu, monkeypatch):
    asked = []

    def create(flags):
        asked.append(flags)
        return driver.CUresult.CUDA_SUCCESS, driver.CUstream(4711)

    monkeypatch.setattr(driver, "cuStreamCreate", create)
    monkeypatch.setattr(device.cuda, "external_stream", lambda handle: ("stream", handle))
    assert device._own_stream() == ("stream", 4711)
    assert asked == [int(driver.CUstream_flags.CU_STREAM_NON_BLOCKING)]


@pytest.mark.parametrize("kind", [RuntimeError, CUDAError])
def test_what_cannot_be_captured_is_launched(gpu, monkeypatch, kind):
    def capture(launch_all, stream):
        raise kind("CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED")

    monkeypatch.setattr(device, "capture", capture)
    works = lambda launch_all, stream: "a graph"  # noqa: E731
    for _ in range(device.MOST_FAILURES):
        monkeypatch.setattr(device, "capture", works)
        assert gpu.capture(lambda: None) == "a graph"
        monkeypatch.setattr(device, "capture", capture)
        assert gpu.capture(lambda: None) is None
    monkeypatch.setattr(device, "capture", works)
    assert gpu.capture(lambda: None) is None  # and not tried again


def test_a_thread_on_another_gpu_is_told_so(gpu):
    device._check_thread(gpu)
    gpu.current.id = 0
    with pytest.raises(DeviceError, match="whose current GPU is number 1, as with the first call, got 0"):
        device._check_thread(gpu)


@pytest.mark.parametrize("kind", [RuntimeError, CUDAError])
def test_a_capture_without_room_is_out_of_memory(gpu, monkeypatch, kind):
    def capture(launch_all, stream):
        raise kind("CUDA_ERROR_OUT_OF_MEMORY")

    monkeypatch.setattr(device, "capture", capture)
    with pytest.raises(device.OutOfMemory), device.translated_errors():
        gpu.capture(lambda: None)


def test_every_error_of_numba_cuda_and_the_driver_becomes_ours():
    from numba.cuda.cudadrv.driver import CudaAPIError, CudaDriverError

    for error in (CudaAPIError(700, "CUDA_ERROR_ILLEGAL_ADDRESS"), CudaDriverError("CUDA initialized before forking")):
        with pytest.raises(DeviceError, match="expected the GPU to answer"), device.translated_errors():
            raise error
