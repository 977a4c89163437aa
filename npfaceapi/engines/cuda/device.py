"""The GPU as this process uses it: one stream, one memory allocation, one lock.

Networks take turns on the GPU: a call holds the lock from the upload of its batch to the download of its outputs, and uses the
memory from its start.  So all programs share ONE allocation, as large as the largest call so far has needed, and any number
of calls, programs and threads does not make it grow.  `generation` counts how often the memory was replaced: a graph captured
with older addresses must be captured again.

The context is created by the first call of a network, not before.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from npfaceapi.engines.cuda.availability import check_process, note_process
from npfaceapi.engines.cuda.capture import CapturedGraph, capture, checked
from npfaceapi.engines.cuda.toolchain import SIMULATED, cuda
from npfaceapi.errors import DeviceError
from npfaceapi.locks import system_threads

__all__ = ["Device", "OutOfMemory", "device", "lock"]

Array = np.ndarray[Any, Any]

MOST_NUMBERS = 1 << 30  # of the shared memory, 4 GiB: larger batches go in parts (and offsets stay below 2**31)
SHARE_OF_FREE_MEMORY = 0.8
MOST_FAILURES = 3  # to capture: another library's device synchronization can make one attempt fail
_OF_THE_DRIVER = ("CudaAPIError", "CudaDriverError", "CudaSupportError", "CUDAError", "RuntimeError")  # names of errors

lock = system_threads.RLock()
_device: Device | None = None


class OutOfMemory(DeviceError):
    """The GPU's memory does not hold what was asked for."""


class Device:
    """Use it while holding `lock`.

    Attributes
    ----------
    number : int
        Of the GPU that was current at the first call.
    stream : numba-cuda's stream
    processors : int
        Number of multiprocessors of the GPU.
    memory : device array of float32
    generation : int
    """

    def __init__(self) -> None:
        with translated_errors():
            gpu = cuda.get_current_device()
            self.number = 0 if SIMULATED else int(gpu.id)
            self.stream: Any = _own_stream()
            self.processors = 4 if SIMULATED else int(gpu.MULTIPROCESSOR_COUNT)
            self.memory: Any = None
        self.generation = 0
        self._failures = MOST_FAILURES if SIMULATED else 0

    @property
    def numbers(self) -> int:
        """float32 numbers that the memory holds now."""
        return 0 if self.memory is None else int(self.memory.size)

    def most_numbers(self) -> int:
        """float32 numbers that the memory can grow to."""
        with translated_errors():
            free = cuda.current_context().get_memory_info().free
        return int(max(self.numbers, min(MOST_NUMBERS, self.numbers + SHARE_OF_FREE_MEMORY * free / 4)))

    def reserve(self, numbers: int) -> None:
        """Grow the memory to at least `numbers` numbers; its contents are lost if it has to be replaced."""
        if numbers <= self.numbers:
            return
        with translated_errors():
            self.stream.synchronize()
            self.memory = None  # free the old one first
            self.generation += 1
            _free_now()
            self.memory = cuda.device_array(numbers, np.float32, stream=self.stream)

    def write(self, at: int, values: Array) -> None:
        """Copy float32 numbers into the memory, from number `at` on.

        numba-cuda's own copies take ten times the Python time of the driver's, and a call makes two or three.
        """
        if SIMULATED:
            self.memory[at : at + values.size].copy_to_device(values.reshape(-1))
            return
        from cuda.bindings import driver

        checked(driver.cuMemcpyHtoDAsync(self._address(at), values.ctypes.data, values.nbytes, self._raw_stream()))

    def read(self, at: int, out: Array) -> None:
        """Copy numbers of the memory, from number `at` on, into a contiguous array; they are there once the stream is done."""
        if SIMULATED:
            self.memory[at : at + out.size].copy_to_host(out.reshape(-1))
            return
        from cuda.bindings import driver

        checked(driver.cuMemcpyDtoHAsync(out.ctypes.data, self._address(at), out.nbytes, self._raw_stream()))

    def _address(self, at: int) -> int:
        return int(self.memory.__cuda_array_interface__["data"][0]) + 4 * at

    def _raw_stream(self) -> int:
        return int(self.stream.handle)

    def upload(self, values: Array) -> Any:
        """A copy of an array on the GPU."""
        with translated_errors():
            copied = cuda.to_device(values, stream=self.stream)
            self.stream.synchronize()
        return copied

    def capture(self, launch_all: Callable[[], None]) -> CapturedGraph | None:
        """The launches as a captured graph, or None where the driver cannot capture: then they are launched one by one."""
        if self._failures >= MOST_FAILURES:
            return None
        try:
            return capture(launch_all, self.stream)
        except Exception as error:  # the driver's, numba-cuda's and cuda.core's have no class in common
            if "OUT_OF_MEMORY" in str(error):
                raise
            self._failures += 1
            return None  # and if the GPU is lost, the launches that follow raise


def device() -> Device:
    """The GPU; its context is created by the first call."""
    global _device
    if not SIMULATED:
        check_process()
        note_process()
    with lock:
        if _device is None:
            _device = Device()
        if not SIMULATED:
            _check_thread(_device)
        return _device


def _check_thread(gpu: Device) -> None:
    """Give a thread that has no context the GPU's; raise if it has that of another GPU."""
    with translated_errors():
        number = cuda.current_context().device.id
    if number != gpu.number:
        expected = f"a thread whose current GPU is number {gpu.number}, as with the first call"
        raise DeviceError(f"cuda: expected {expected}, got {number}")


def _own_stream() -> Any:
    """A stream that does not synchronize with the default stream.

    numba-cuda's own streams do: while one of them is in capture, CUDA refuses all work of other threads and libraries on the
    default stream, and invalidates the capture.
    """
    if SIMULATED:
        return cuda.stream()
    from cuda.bindings import driver

    cuda.current_context()
    (stream,) = checked(driver.cuStreamCreate(driver.CUstream_flags.CU_STREAM_NON_BLOCKING.value))
    return cuda.external_stream(int(stream))


def _free_now() -> None:
    """Free the memory that numba-cuda keeps in its queue of pending deallocations, up to a fifth of the GPU's."""
    pending: Any = None if SIMULATED else getattr(cuda.current_context().memory_manager, "deallocations", None)
    if pending is not None:  # another memory manager may have none
        pending.clear()


@contextmanager
def translated_errors() -> Iterator[None]:
    """Raise errors of numba-cuda and the driver as a `DeviceError` in one line."""
    try:
        yield
    except DeviceError:
        raise
    except Exception as error:
        text = str(error)
        if "OUT_OF_MEMORY" in text:
            raise OutOfMemory(f"cuda: expected room on the GPU, got: {text}; free some, or use a smaller batch") from None
        if type(error).__name__ in _OF_THE_DRIVER and "CUDA" in text.upper():
            raise DeviceError(
                f"cuda: expected the GPU to answer, got: {text}; this process may have lost it: start a new one"
            ) from error
        raise
