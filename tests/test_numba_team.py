"""One image's call shared by threads: who is called how, who comes too late, and what nobody may touch any more."""

from __future__ import annotations

import os
import threading
import time

import numpy as np
import pytest
from test_numba_engine import assert_same_bits, graph, images, program, threads  # noqa: F401

from npfaceapi.engines.dispatch import usable_cpus
from npfaceapi.engines.numba import threads as team
from npfaceapi.engines.numba.run import ASLEEP, AWAKE, BOX, CALLED, COLUMNS, JOINED, LEFT, Order, Table, wait_in_box


def order(number_of_threads=2):
    """An order of no steps."""
    return Order(Table(np.zeros((0, COLUMNS), np.int64)), 0, 0, 0, number_of_threads, None)


def until(condition, seconds=10):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it never came"
        time.sleep(0.0005)


@pytest.fixture
def helpers(monkeypatch):
    """Helpers of this test alone."""
    own = team._Helpers()
    monkeypatch.setattr(team, "_helpers", own)
    return own


def test_a_helper_that_is_awake_is_called_through_its_box(helpers, program, threads, monkeypatch):  # noqa: F811
    batch = images(1)
    threads(1)
    expected = program(batch)
    threads(2)
    asked = []
    offer = helpers.offer
    monkeypatch.setattr(helpers, "offer", lambda works: (asked.append(len(works)), offer(works)))
    for _ in range(200):
        assert_same_bits(program(batch), expected)
    assert asked[0] == 1  # asleep at first
    assert sum(asked) < 150


def test_a_helper_waits_in_its_box_only_for_a_while():
    box = np.full(BOX, ASLEEP)
    start = time.perf_counter()
    wait_in_box(box.ctypes.data)
    assert time.perf_counter() - start < 0.5
    assert box[0] == ASLEEP


def test_orders_left_in_a_box_are_followed_until_none_comes():
    box = np.full((1, BOX), ASLEEP)
    helper = threading.Thread(target=wait_in_box, args=(box.ctypes.data,))
    helper.start()
    led = []
    while helper.is_alive() and len(led) < 20:
        if box[0, 0] == AWAKE:
            led.append(order())
            led[-1].lead(box)
    helper.join()
    called = [o for o in led if o._numbers[CALLED]]
    assert called
    for o in called:
        assert (o._numbers[JOINED], o._numbers[LEFT], o.followed) == (2, 1, False)
    assert box[0, 0] == ASLEEP


def test_nobody_is_called_who_is_asleep_or_has_an_order():
    other = order()
    boxes = np.full((3, BOX), ASLEEP)
    boxes[1, 0] = other._address
    own = order()
    own.lead(boxes)
    assert list(boxes[:, 0]) == [ASLEEP, other._address, ASLEEP]
    assert not own.followed


def test_no_more_are_called_than_wanted():
    boxes = np.full((5, BOX), AWAKE)
    own = order(3)
    own.lead(boxes)
    assert list(boxes[:, 0] == own._address) == [True, True, False, False, False]
    assert own.followed  # both may still come
    for _ in range(3):
        own.join()  # one more than have scratch memory, who goes away


def test_an_order_holds_what_it_needs_until_it_is_done():
    class Thing:
        pass

    thing = Thing()
    own = Order(Table(np.zeros((0, COLUMNS), np.int64)), 0, 0, 0, 2, thing)
    assert own.followed  # it may be led at any moment
    assert own._held is thing
    own.lead(np.full((0, BOX), ASLEEP))
    assert own._held is None
    assert not own.followed


def test_orders_are_forgotten(helpers, program, threads):  # noqa: F811
    threads(2)
    for _ in range(50):
        program(images(1))
    assert len(helpers._orders) < 10


@pytest.mark.skipif(team._this_processor is None or usable_cpus() < 2, reason="no way to say where threads run")
def test_a_helper_is_woken_on_another_processor(helpers):
    own, done = threading.get_native_id(), threading.Event()
    everywhere = os.sched_getaffinity(own)
    try:
        os.sched_setaffinity(own, {min(everywhere)})
        helpers.offer([done.set])  # nowhere else to go: as the system likes
        assert done.wait(10)
        assert os.sched_getaffinity(helpers._threads[0].native_id) == {min(everywhere)}
    finally:
        os.sched_setaffinity(own, everywhere)
    done.clear()
    helpers.offer([done.set])
    assert done.wait(10)
    assert len(everywhere - os.sched_getaffinity(helpers._threads[0].native_id)) == 1


def test_a_system_that_forbids_it_is_let_be(helpers, monkeypatch):
    def forbidden(*_):
        raise PermissionError

    monkeypatch.setattr(os, "sched_setaffinity", forbidden, raising=False)
    done = threading.Event()
    helpers.offer([done.set])
    assert done.wait(10)


def test_more_helpers_than_boxes(helpers, monkeypatch):
    monkeypatch.setattr(team, "MOST_BOXES", 2)
    helpers.forget()
    total, lock = [], threading.Lock()

    def work():
        with lock:
            total.append(1)

    helpers.offer([work] * 6)
    until(lambda: len(total) == 6)
    order(7).lead(helpers._boxes)
