"""A function of many tasks on a Dask cluster: results in order, as `processes.py` gives them."""

from __future__ import annotations

import collections
import itertools
from collections.abc import Callable, Iterable, Iterator
from typing import Any

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
        If the scheduler cannot be reached or has no workers.
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
    state = current_backend(), max_pixels() / 1e6
    with client:
        workers = client.nthreads()
        threads = sum(workers.values())
        if not threads:
            raise NpFaceApiError(f"scheduler {scheduler}: expected workers, got none: start some with dask worker {scheduler}")
        rest = iter(tasks)

        def submitted() -> tuple[list[_Task], Any] | None:
            part = list(itertools.islice(rest, PART))
            return (part, client.submit(_run, function, state, part, pure=False)) if part else None

        waiting = collections.deque(filter(None, (submitted() for _ in range(threads * AHEAD))))
        while waiting:
            part, future = waiting.popleft()
            try:
                results = future.result()
            except library.KilledWorker:  # several workers ended at this part: find out at which task, with no other in work
                for _, other in waiting:
                    other.exception()  # waits for its end
                results = [_alone(client, library.KilledWorker, function, state, task) for task in part]
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
