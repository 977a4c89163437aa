"""A sequence of launches recorded once as a CUDA graph and then started as a whole.

Launching a kernel from Python costs tens of microseconds, a kernel of a small layer runs for five: with some 60 to 100 kernels a
network, a batch of one would wait for Python nearly all the time.  While a stream is in capture, the launches that go into it
are not run but noted; the graph of them is started with one call, which costs about as much as ONE launch.

Made with `cuda.bindings`, on which numba-cuda depends.  Capture is `RELAXED`, so that the release of memory that Python's
collector may cause is allowed, the stream is not tied to the default stream, which others may use meanwhile, and what we issue
ourselves is launches alone.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import Any

__all__ = ["Recording", "checked", "record"]


class Recording:
    """A recorded sequence; `replay()` starts it on the stream it was recorded on."""

    def __init__(self, executable: Any, stream: Any) -> None:
        self._executable, self._stream, self._process = executable, stream, os.getpid()

    def replay(self) -> None:
        from cuda.bindings import driver

        checked(driver.cuGraphLaunch(self._executable, self._stream))

    def close(self) -> None:
        """Give back what the driver holds."""
        executable, self._executable = self._executable, None
        if executable is not None and self._process == os.getpid():  # in a forked child it is not ours
            from cuda.bindings import driver

            driver.cuGraphExecDestroy(executable)

    def __del__(self) -> None:
        if self._executable is not None and sys is not None and not sys.is_finalizing():  # else the driver's module may be gone
            self.close()


def record(launch_all: Callable[[], None], stream: Any) -> Recording:
    """Note what `launch_all` puts into numba-cuda's `stream`, without running it."""
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
    return Recording(executable, raw)


def checked(answer: tuple[Any, ...]) -> tuple[Any, ...]:
    """The values of a driver's answer, whose first says how it went."""
    from cuda.bindings import driver

    code, *values = answer
    if code != driver.CUresult.CUDA_SUCCESS:
        raise RuntimeError(code.name)
    return tuple(values)
