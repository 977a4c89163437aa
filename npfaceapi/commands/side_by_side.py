"""Several photos at a time, each on a thread of its own: one is decoded while the networks run on another."""

from __future__ import annotations

import contextvars
import itertools
from collections import deque
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

from npfaceapi.commands.photos import complain, held_complaints

__all__ = ["in_order"]

T = TypeVar("T")

MOST = 8  # photos at a time; one of 12 megapixels takes some 100 MB


def in_order(function: Callable[[str], T], photos: Sequence[str]) -> Generator[T, None, None]:
    """Yield `function(photo)` for each photo, in order; what it complains of is printed when its result comes."""
    from npfaceapi.engines.dispatch import current_backend
    from npfaceapi.engines.thread_count import get_num_threads, use_num_threads

    threads = get_num_threads()
    workers = min(threads, len(photos), MOST) if current_backend() == "numba" else 1
    if workers < 2:
        yield from map(function, photos)
        return

    def one(photo: str) -> tuple[list[tuple[object, str]], T]:
        with use_num_threads(threads // workers), held_complaints() as held:
            return held, function(photo)

    rest = iter(photos)
    with ThreadPoolExecutor(workers) as pool:

        def submitted(count: int) -> list[Future[tuple[list[tuple[object, str]], T]]]:
            return [pool.submit(contextvars.copy_context().run, one, photo) for photo in itertools.islice(rest, count)]

        waiting = deque(submitted(2 * workers))
        try:
            while waiting:
                held, result = waiting.popleft().result()
                for complaint in held:
                    complain(*complaint)
                yield result
                waiting.extend(submitted(1))
        finally:
            pool.shutdown(cancel_futures=True)
