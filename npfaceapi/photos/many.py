"""Many photos, in memory for a few: they are decoded as they are needed."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TypeVar, cast

from npfaceapi.errors import InvalidArgument
from npfaceapi.photos.net_input import NetInput, Photo, Photos, Pixels, load_image

__all__ = ["by_chunks", "each_photo", "few_at_a_time"]

T = TypeVar("T")

#: How many photos a detector sees at once, how many crops another network; and after how many bytes of pixels no more join them.
MAX_PHOTOS, MAX_CROPS, MAX_BYTES = 8, 128, 32_000_000


def each_photo(inputs: Photos) -> tuple[Iterator[tuple[Photo, Pixels]], bool]:
    """The photos of an input with their pixels, each decoded when it is asked for; and whether they are a list.

    Raises
    ------
    InvalidArgument
        If there is no photo.  An iterator gives its photos once.
    ImageError, InvalidType, FetchError
        As `load_image`, when the photo is asked for; the message names it.
    """
    if isinstance(inputs, NetInput):
        return ((image, image) for image in inputs.image_tensors), inputs.is_batch_input
    if isinstance(inputs, (list, tuple)) or (isinstance(inputs, Iterator) and not hasattr(inputs, "read")):
        photos = iter(inputs)
        first = list(itertools.islice(photos, 1))
        if not first:
            kind = "an iterator that gives none: it gives its photos once" if inputs is photos else "an empty list"
            raise InvalidArgument(f"expected at least one photo, got {kind}")
        return _decoded(first, photos), True
    return ((photo, load_image(photo)) for photo in (cast("Photo", inputs),)), False


def _decoded(first: list[Photo], others: Iterator[Photo]) -> Iterator[tuple[Photo, Pixels]]:
    index = 0
    while first or (first := list(itertools.islice(others, 1))):
        photo = first.pop()
        yield photo, load_image(photo, f"photos[{index}]")
        del photo  # else it would be held, an array with its pixels, while the next is made
        index += 1


def in_chunks(photos: Iterable[tuple[Photo, Pixels]], most: int) -> Iterator[list[tuple[Photo, Pixels]]]:
    """Photos with those that follow them, at most so many, and no more than take a bounded memory."""
    chunk: list[tuple[Photo, Pixels]] = []
    size = 0
    for pair in photos:
        chunk.append(pair)
        size += pair[1].nbytes
        del pair  # else the next photo would be decoded beside this one
        if len(chunk) == most or size >= MAX_BYTES:
            yield chunk
            chunk, size = [], 0
    if chunk:
        yield chunk


def by_chunks(
    photos: Iterator[tuple[Photo, Pixels]], function: Callable[[list[tuple[Photo, Pixels]]], Sequence[T]], most: int
) -> list[T]:
    """The results that a function gives for chunks of photos, each a result a photo."""
    results: list[T] = []
    chunks = in_chunks(photos, most)
    while chunk := next(chunks, None):
        results += function(chunk)
        del chunk  # else its photos would be held while the next are decoded
    return results


def few_at_a_time(photos: Photos, function: Callable[[NetInput], list[T]], most: int = MAX_CROPS) -> T | list[T]:
    """What a function gives for photos, of which few are decoded at a time.

    Parameters
    ----------
    photos : photo, list or iterator of photos, or NetInput
        The photos of a NetInput are decoded already, so that the function takes it as it is.
    function : callable
        Takes a NetInput and gives a result for each of its photos.
    most : int
        How many photos it shall see at once.

    Returns
    -------
    list of results, or one
        A list if a list or an iterator came in.
    """
    if isinstance(photos, NetInput):
        results, is_batch = function(photos), photos.is_batch_input
    else:
        decoded, is_batch = each_photo(photos)
        results = by_chunks(decoded, lambda chunk: function(NetInput.of_pixels([image for _, image in chunk])), most)
    return results if is_batch else results[0]
