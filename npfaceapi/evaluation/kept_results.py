"""Results for each photo of a data set, computed on all cores and stored on disk, so that an interrupted run continues."""

from __future__ import annotations

import base64
import concurrent.futures
import hashlib
import json
import multiprocessing
import os
import pickle
import signal
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from npfaceapi import nets
from npfaceapi._version import __version__
from npfaceapi.engines.dispatch import current_backend, set_backend
from npfaceapi.engines.thread_count import set_num_threads
from npfaceapi.engines.usable_cpus import usable_cpus
from npfaceapi.errors import InvalidArgument, NpFaceApiError
from npfaceapi.photos.limits import max_pixels, own_pillow, set_max_megapixels
from npfaceapi.reading.json_text import read_json

__all__ = ["Progress", "Result", "kept_results", "packed", "unpacked"]

Result = dict[str, Any]
Progress = Callable[[int, int], None]
AT_ONCE = 8  # items per task of a process


def kept_results(
    items: Sequence[str], function: Callable[[str], Result], about: str, cache: Path | None, progress: Progress
) -> dict[str, Result]:
    """The result of each item.

    Parameters
    ----------
    items : sequence of str
        Paths; the result of a changed file is computed again.
    function : callable
        Takes an item and returns a dictionary of JSON values; it is pickled for the processes.
    about : str
        What the results depend on besides the items, the networks' weights, the backend and the version: stored results with
        another text are not used.
    cache : Path, optional
        The folder to store them in, one JSON line each, written as they are computed.  Two runs may share it.
    progress : callable
        Called with the number of items done and the number of items.

    Raises
    ------
    InvalidArgument
        If the folder cannot be written to.
    NpFaceApiError
        If a process ends before its work is done.
    """
    networks = {name: net for name in nets.__all__ if _has_own_weights(net := vars(nets).get(name))}
    place = {item: os.path.abspath(item) for item in items}
    stamps = {path: _stamp(path) for path in place.values()}
    done: dict[str, Result] = {}
    stream = None
    if cache is not None:
        key = hashlib.sha256(f"{about} {__version__} {current_backend()}".encode() + pickle.dumps(networks)).hexdigest()[:16]
        try:
            cache.mkdir(parents=True, exist_ok=True)
            path = cache / f"{key}.jsonl"
            done = _read(path, stamps)
            stream = path.open("ab", buffering=0)  # each line is appended in one write, since another run may append too
            stream.write(b"\n")  # the last line may have been cut off
        except OSError as error:
            raise InvalidArgument(f"cache {cache}: expected a folder to write to, got: {error.strerror or error}") from None
    try:
        progress(len(done), len(stamps))
        for item, result in _computed([item for item, path in place.items() if path not in done], function, networks):
            done[place[item]] = result
            if stream is not None:
                line = json.dumps({"item": place[item], "stamp": stamps[place[item]], "result": result}) + "\n"
                try:
                    stream.write(line.encode())
                except OSError as error:
                    raise InvalidArgument(f"cache {cache}: expected room for a line, got: {error.strerror or error}") from None
            progress(len(done), len(stamps))
    finally:
        if stream is not None:
            stream.close()
    return {item: done[path] for item, path in place.items()}


def packed(values: ArrayLike) -> str:
    """Numbers as text, in a tenth of the memory of a list."""
    return base64.b64encode(np.asarray(values, "<f4").tobytes()).decode()


def unpacked(text: str) -> NDArray[np.float32]:
    """The numbers of a text made by `packed`, as a flat array."""
    return np.frombuffer(base64.b64decode(text), "<f4").astype(np.float32)


def _has_own_weights(net: Any) -> bool:
    """Whether this is a network with weights other than the bundled ones."""
    return net is not None and net.__reduce__()[0] is not nets.network_named


def _stamp(item: str) -> list[int]:
    try:
        status = os.stat(item)
    except OSError:
        return []
    return [status.st_size, status.st_mtime_ns]


def _read(path: Path, stamps: dict[str, list[int]]) -> dict[str, Result]:
    """The stored results of items that have not changed; invalid lines, such as truncated ones, are skipped."""
    kept: dict[str, Result] = {}
    if path.exists():
        with path.open("rb") as lines:
            for line in lines:
                try:
                    record = read_json(line)
                except ValueError:
                    continue
                if isinstance(record, dict) and set(record) == {"item", "stamp", "result"}:
                    item = record["item"]
                    if isinstance(item, str) and item in stamps and record["stamp"] == stamps[item]:
                        kept[item] = record["result"]
    return kept


def _computed(items: Sequence[str], function: Callable[[str], Result], networks: dict[str, Any]) -> Iterator[tuple[str, Result]]:
    """Yield the results of all items, in order, as they are computed."""
    workers = min(usable_cpus(), -(-len(items) // AT_ONCE))
    if workers <= 1:
        yield from ((item, function(item)) for item in items)
        return
    state = current_backend(), max_pixels() / 1e6, networks
    pool = concurrent.futures.ProcessPoolExecutor(workers, multiprocessing.get_context("spawn"), _begin, state)
    try:
        yield from zip(items, pool.map(function, items, chunksize=AT_ONCE), strict=True)
    except BrokenProcessPool:
        raise NpFaceApiError(
            f"expected {workers} processes to finish their photos, got one that died: too little memory,"
            f' or a program without `if __name__ == "__main__":`'
        ) from None
    finally:  # after Ctrl-C too: a process finishes the task that it has started
        pool.shutdown(cancel_futures=True)


def _begin(backend: str, megapixels: float, networks: dict[str, Any]) -> None:
    """Set up a new process like its parent."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent handles Ctrl-C
    set_num_threads(1)
    set_backend(backend)
    own_pillow()
    set_max_megapixels(megapixels)
    for name, net in networks.items():
        setattr(nets, name, net)
