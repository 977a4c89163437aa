"""Processing many photos in bounded memory: they are decoded as needed, a few at a time."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TypeVar, cast

from npfaceapi.errors import InvalidArgument
from npfaceapi.photos.net_input import NetInput, Photo, Photos, Pixels, load_image

__all__ = ["by_chunks", "each_photo", "few_at_a_time"]

T = TypeVar("T")

#: The most photos per call of a detector, the most crops per call of another network, and the bytes of pixels that end a chunk.
MAX_PHOTOS, MAX_CROPS, MAX_BYTES = 8, 128, 32_000_000


def each_photo(inputs: Photos) -> tuple[Iterator[tuple[Photo, Pixels]], bool]:
    """An iterator over the photos and their pixels, each decoded on demand; and whether the input is a list.

    Raises
    ------
    InvalidArgument
        If there is no photo, as in an exhausted iterator.
    ImageError, InvalidType, FetchError
        As `load_image`, when the photo is decoded; the message names it.
    """
    if isinstance(inputs, NetInput):
        return ((image, image) for image in inputs.image_tensors), inputs.is_batch_input
    if isinstance(inputs, (list, tuple)) or (isinstance(inputs, Iterator) and not hasattr(inputs, "read")):
        photos = iter(inputs)
        first = list(itertools.islice(photos, 1))
        if not first:
            kind = "an iterator without any (an iterator can be used only once)" if inputs is photos else "an empty list"
            raise InvalidArgument(f"expected at least one photo, got {kind}")
        return _decoded(first, photos), True
    return ((photo, load_image(photo)) for photo in (cast("Photo", inputs),)), False


def _decoded(first: list[Photo], others: Iterator[Photo]) -> Iterator[tuple[Photo, Pixels]]:
    index = 0
    while first or (first := list(itertools.islice(others, 1))):
        photo = first.pop()
        yield photo, load_image(photo, f"photos[{index}]")
        del photo  # otherwise it stays in memory while the next one is decoded
        index += 1


def in_chunks(photos: Iterable[tuple[Photo, Pixels]], most: int) -> Iterator[list[tuple[Photo, Pixels]]]:
    """Consecutive photos in chunks of at most `most`, and of about `MAX_BYTES`."""
    chunk: list[tuple[Photo, Pixels]] = []
    size = 0
    for pair in photos:
        chunk.append(pair)
        size += pair[1].nbytes
        del pair  # otherwise this photo stays in memory while the next one is decoded
        if len(chunk) == most or size >= MAX_BYTES:
            yield chunk
            chunk, size = [], 0
    if chunk:
        yield chunk


def by_chunks(
    photos: Iterator[tuple[Photo, Pixels]], function: Callable[[list[tuple[Photo, Pixels]]], Sequence[T]], most: int
) -> list[T]:
    """Apply a function to chunks of photos and join the results; it returns one result per photo."""
    results: list[T] = []
    chunks = in_chunks(photos, most)
    while chunk := next(chunks, None):
        results += function(chunk)
        del chunk  # otherwise its photos stay in memory while the next ones are decoded
    return results


def few_at_a_time(photos: Photos, function: Callable[[NetInput], list[T]], most: int = MAX_CROPS) -> T | list[T]:
    """Apply a function to photos, of which only a few are decoded at a time.

    Parameters
    ----------
    photos : photo, list or iterator of photos, or NetInput
        The photos of a NetInput are already decoded, so the function gets it unchanged.
    function : callable
        Takes a NetInput and returns a result for each of its photos.
    most : int
        The most photos per call.

    Returns
    -------
    list of results, or one
        A list if a list or an iterator was given.
    """
    if isinstance(photos, NetInput):
        results, is_batch = function(photos), photos.is_batch_input
    else:
        decoded, is_batch = each_photo(photos)
        results = by_chunks(decoded, lambda chunk: function(NetInput.of_pixels([image for _, image in chunk])), most)
    return results if is_batch else results[0]
