"""A sequence of launches captured once as a CUDA graph and then launched as a whole.

Launching a kernel from Python costs tens of microseconds, a kernel of a small layer runs for five: with some 60 to 100 kernels
per network, a batch of one would wait for Python nearly all the time.  While a stream is in capture, its launches are not run
but become nodes of a graph; that is launched with one call, which costs about as much as ONE launch.

Made with `cuda.bindings`, on which numba-cuda depends.  Capture is `RELAXED`, so that Python's garbage
collector may free memory meanwhile; the stream does not synchronize with the default stream, which other libraries may use
meanwhile; and only launches are issued during the capture.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import Any

__all__ = ["CapturedGraph", "capture", "checked"]


class CapturedGraph:
    """An instantiated CUDA graph; `replay()` launches it on the stream on which it was captured."""

    def __init__(self, executable: Any, stream: Any) -> None:
        self._executable, self._stream, self._process = executable, stream, os.getpid()

    def replay(self) -> None:
        from cuda.bindings import driver

        checked(driver.cuGraphLaunch(self._executable, self._stream))

    def close(self) -> None:
        """Free what the driver holds."""
        executable, self._executable = self._executable, None
        if executable is not None and self._process == os.getpid():  # in a forked child it is not ours
            from cuda.bindings import driver

            driver.cuGraphExecDestroy(executable)

    def __del__(self) -> None:
        if self._executable is not None and sys is not None and not sys.is_finalizing():  # else the driver's module may be gone
            self.close()


def capture(launch_all: Callable[[], None], stream: Any) -> CapturedGraph:
    """Capture what `launch_all` launches on numba-cuda's `stream`, without running it."""
    from cuda.bindings import driver

    raw = driver.CUstream(int(stream.handle))
    checked(driver.cuStreamBeginCapture(raw, driver.CUstreamCaptureMode.CU_STREAM_CAPTURE_MODE_RELAXED))
    try:
        launch_all()
    except BaseException:  # an interrupt too: the stream must leave the capture
        code, graph = driver.cuStreamEndCapture(raw)
        if code == driver.CUresult.CUDA_SUCCESS:
            driver.cuGraphDestroy(graph)
        raise
    (graph,) = checked(driver.cuStreamEndCapture(raw))
    try:
        (executable,) = checked(driver.cuGraphInstantiate(graph, 0))
    finally:
        driver.cuGraphDestroy(graph)
    return CapturedGraph(executable, raw)


def checked(answer: tuple[Any, ...]) -> tuple[Any, ...]:
    """The values that a driver function returned, without the error code, which is checked."""
    from cuda.bindings import driver

    code, *values = answer
    if code != driver.CUresult.CUDA_SUCCESS:
        raise RuntimeError(code.name)
    return tuple(values)
