"""One PIL image or file object in several threads, tasks and calls."""

from __future__ import annotations

import asyncio
import io
import os
import threading
import time
import warnings
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from npfaceapi.errors import ImageError
from npfaceapi.photos import exclusive as module
from npfaceapi.photos.exclusive import exclusive
from npfaceapi.photos.loading import load_image
from npfaceapi.photos.net_input import NetInput

pytestmark = pytest.mark.slow

PIXELS = np.random.default_rng(3).integers(0, 256, (400, 500, 3), dtype=np.uint8)
FORMATS = ["PNG", "JPEG", "WEBP", "TIFF", "GIF", "BMP"]


def encode(kind: str) -> bytes:
    file = io.BytesIO()
    Image.fromarray(PIXELS).save(file, kind, **({"lossless": True} if kind == "WEBP" else {}))
    return file.getvalue()


def expected(data: bytes) -> np.ndarray:
    with Image.open(io.BytesIO(data)) as image:
        return np.asarray(image.convert("RGB"))


@pytest.mark.parametrize("from_path", [False, True])
@pytest.mark.parametrize("kind", FORMATS)
def test_an_image_that_is_not_read_yet(kind: str, from_path: bool, tmp_path: Path) -> None:
    data = encode(kind)
    (tmp_path / "photo").write_bytes(data)
    wanted = expected(data)
    with ThreadPoolExecutor(4) as pool:
        for _ in range(5):
            with Image.open(tmp_path / "photo" if from_path else io.BytesIO(data)) as image:
                for got in pool.map(load_image, [image] * 4):
                    np.testing.assert_array_equal(got, wanted)


@pytest.mark.parametrize("kind", FORMATS)
def test_a_file_object(kind: str, tmp_path: Path) -> None:
    data = encode(kind)
    (tmp_path / "photo").write_bytes(data)
    wanted = expected(data)
    with (tmp_path / "photo").open("rb") as file, ThreadPoolExecutor(4) as pool:
        for photo in (file, io.BytesIO(data)):
            for got in pool.map(load_image, [photo] * 20):
                np.testing.assert_array_equal(got, wanted)


def test_two_images_of_one_file_object() -> None:
    file = io.BytesIO(encode("PNG"))
    with ThreadPoolExecutor(4) as pool:
        for _ in range(5):
            photos: list[Any] = [Image.open(file), Image.open(file), file, file]
            for got in pool.map(load_image, photos):
                np.testing.assert_array_equal(got, PIXELS)


def test_one_image_twice_in_a_list() -> None:
    with Image.open(io.BytesIO(encode("PNG"))) as image:
        for got in NetInput([image, image, image]).image_tensors:
            np.testing.assert_array_equal(got, PIXELS)


def test_asyncio() -> None:
    async def all_at_once(image: Image.Image) -> list[np.ndarray]:
        return await asyncio.gather(*(asyncio.to_thread(load_image, image) for _ in range(6)))

    with Image.open(io.BytesIO(encode("PNG"))) as image:
        for got in asyncio.run(all_at_once(image)):
            np.testing.assert_array_equal(got, PIXELS)


def test_a_damaged_one_is_refused_in_every_thread() -> None:
    def refused(image: Image.Image) -> str:
        with pytest.raises(ImageError) as error:
            load_image(image)
        return str(error.value)

    with Image.open(io.BytesIO(encode("PNG")[:-20000])) as image, ThreadPoolExecutor(4) as pool:
        assert all("damaged" in message for message in pool.map(refused, [image] * 8))


@pytest.mark.parametrize("close", [lambda image, file: image.close(), lambda image, file: file.close()], ids=["image", "file"])
def test_a_closed_image_is_called_so(close: Callable[[Image.Image, io.BytesIO], None]) -> None:
    file = io.BytesIO(encode("JPEG"))
    image = Image.open(file)
    close(image, file)
    with pytest.raises(ImageError, match=r"expected an open PIL image, got one that is closed; call image\.load"):
        load_image(image)


def test_an_image_whose_block_has_ended(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(encode("JPEG"))
    with Image.open(tmp_path / "a.jpg") as image:
        pass
    with pytest.raises(ImageError, match=r"a\.jpg: expected an open PIL image, got one that is closed"):
        load_image(image)


class TestExclusive:
    def test_one_thread_at_a_time_with_an_object_and_all_with_others(self) -> None:
        inside: dict[int, int] = {}
        most: dict[int, int] = {}
        both = threading.Barrier(2, timeout=30)
        things = [object(), object()]

        def work(i: int) -> None:
            with exclusive(things[i]):
                inside[i] = inside.get(i, 0) + 1
                most[i] = max(most.get(i, 0), inside[i])
                both.wait()  # for the one with the other object
                time.sleep(0.002)
                inside[i] -= 1

        with ThreadPoolExecutor(8) as pool:
            list(pool.map(work, [0, 1] * 10))
        assert most == {0: 1, 1: 1}
        assert not module._in_use

    def test_one_thread_may_come_again(self) -> None:
        thing = object()
        with exclusive(thing), exclusive(thing):
            assert len(module._in_use) == 1
        assert not module._in_use

    def test_an_error_leaves_it_open(self) -> None:
        thing = object()
        with pytest.raises(ZeroDivisionError), exclusive(thing):
            raise ZeroDivisionError
        assert not module._in_use

    @pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
    def test_a_forked_child_does_not_wait_for_threads_that_it_has_not(self) -> None:
        thing, inside, done = object(), threading.Event(), threading.Event()

        def hold() -> None:
            with exclusive(thing):
                inside.set()
                done.wait(30)

        thread = threading.Thread(target=hold)
        thread.start()
        inside.wait(30)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # of forking beside threads
            child = os.fork()
        if not child:
            with exclusive(thing):
                os._exit(7)
        _, status = os.waitpid(child, 0)
        done.set()
        thread.join()
        assert os.waitstatus_to_exitcode(status) == 7
        assert not module._in_use
