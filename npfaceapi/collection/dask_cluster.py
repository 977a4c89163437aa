"""A function of many tasks on a Dask cluster: results in order, as `processes.py` gives them."""

from __future__ import annotations

import collections
import itertools
import pkgutil
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from npfaceapi._version import __version__
from npfaceapi.collection.processes import DIED
from npfaceapi.engines.dispatch import current_backend, set_backend
from npfaceapi.engines.thread_count import use_num_threads
from npfaceapi.errors import BackendUnavailable, NpFaceApiError, reason_of
from npfaceapi.photos.limits import max_pixels, set_max_megapixels

__all__ = ["in_dask"]

PART = 8  # tasks that are sent together, and computed again if their worker is lost
AHEAD = 4  # parts per thread of the cluster that may be done before an earlier one

_Task = tuple[Any, ...]


def in_dask(function: Callable[..., Any], tasks: Iterable[_Task], scheduler: str) -> Iterator[Any]:
    """Yield `function(*task)` for each task, in order, or `DIED`.

    Parameters
    ----------
    function : callable
        It and the tasks are pickled.
    tasks : iterable of tuples
        Arguments of the function, taken as they are needed.
    scheduler : str
        The address of the scheduler, such as "tcp://10.0.0.1:8786".  The workers need this version of the package.

    Raises
    ------
    BackendUnavailable
        Without the package `distributed`.
    NpFaceApiError
        If the scheduler cannot be reached, has no workers or ends, or if a worker has no or another version of the package.
    """
    try:
        import distributed
    except ImportError:
        raise BackendUnavailable(
            'scheduler: expected the package distributed, got none installed; pip install "npfaceapi[dask]"'
        ) from None
    library: Any = distributed  # it is only partly typed
    try:
        library.comm.resolve_address(scheduler)  # a Client that gets no address at all waits for its end
        client = library.Client(scheduler, timeout=10, set_as_default=False)
    except (OSError, TypeError, ValueError, TimeoutError) as error:
        raise NpFaceApiError(f"scheduler {scheduler}: expected a Dask scheduler, got: {reason_of(error)}") from None
    with client:
        workers = client.nthreads()
        if not workers:
            raise NpFaceApiError(f"scheduler {scheduler}: expected workers, got none: start some with dask worker {scheduler}")
        # A function of the standard library, as one of ours ends a worker that cannot import it.
        versions = client.run(pkgutil.resolve_name, "npfaceapi:__version__", on_error="return")
        for worker, version in versions.items():
            if version != __version__:
                raise NpFaceApiError(f"worker {worker}: expected npfaceapi {__version__}, got {reason_of(version)}")
        try:
            yield from _results(client, library.KilledWorker, function, tasks, sum(workers.values()) * AHEAD)
        except library.CancelledError as error:
            raise NpFaceApiError(f"scheduler {scheduler}: expected one that stays connected, got: {reason_of(error)}") from None


def _results(
    client: Any, killed: type[Exception], function: Callable[..., Any], tasks: Iterable[_Task], parts: int
) -> Iterator[Any]:
    """The results in order, with so many parts in work."""
    state, rest = (current_backend(), max_pixels() / 1e6), iter(tasks)

    def submitted() -> tuple[list[_Task], Any] | None:
        part = list(itertools.islice(rest, PART))
        return (part, client.submit(_run, function, state, part, pure=False)) if part else None

    waiting = collections.deque(filter(None, (submitted() for _ in range(parts))))
    while waiting:
        part, future = waiting.popleft()
        try:
            results = future.result()
        except killed:  # several workers ended at this part: find out at which task, with no other in work
            for _, other in waiting:
                other.exception()  # waits for its end
            results = [_alone(client, killed, function, state, task) for task in part]
        yield from results
        waiting.extend(filter(None, [submitted()]))


def _alone(client: Any, killed: type[Exception], function: Callable[..., Any], state: _Task, task: _Task) -> Any:
    try:
        return client.submit(_run, function, state, [task], pure=False).result()[0]
    except killed:
        return DIED


def _run(function: Callable[..., Any], state: tuple[str, float], part: list[_Task]) -> list[Any]:
    """Compute a part in a worker, on one thread, set up as the process that sent it."""
    backend, megapixels = state
    set_backend(backend)
    set_max_megapixels(megapixels)
    with use_num_threads(1):
        return [function(*task) for task in part]
