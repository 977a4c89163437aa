"""Threads that share one image's call: how they are called, late helpers, and memory that must no longer be used."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
import weakref

import numpy as np
import pytest

from helpers.comparing import assert_same_bits
from helpers.small_network import images
from npfaceapi.engines.numba import threads as team
from npfaceapi.engines.numba.kernels import rows
from npfaceapi.engines.numba.run import (
    ASLEEP,
    CALLED,
    COLUMNS,
    JOINED,
    LEFT,
    MAILBOX,
    SPINNING,
    Table,
    WorkItem,
    spin_on_mailbox,
)
from npfaceapi.engines.usable_cpus import usable_cpus

pytestmark = pytest.mark.alone  # helpers spin while a processor is free


def item(number_of_threads=2, held=None):
    """A work item without calls."""
    return WorkItem(Table(np.zeros((0, COLUMNS), np.int64)), 0, 0, 0, number_of_threads, held)


def mailboxes_of(count, state):
    return np.full((count, MAILBOX), (state, *[0] * (MAILBOX - 1)), np.int64)


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
    yield own
    own.dismiss()


@pytest.mark.skipif(usable_cpus() < 2, reason="no processor on which a helper could spin")
def test_a_helper_that_spins_is_called_through_its_mailbox(helpers, program, threads, monkeypatch):
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
    assert sum(asked) < 200


def test_a_helper_spins_on_its_mailbox_only_for_a_while():
    mailbox = mailboxes_of(1, ASLEEP)
    spin_on_mailbox(mailbox.ctypes.data)
    assert mailbox[0, 0] == ASLEEP


@pytest.mark.slow
def test_a_helper_leaves_its_mailbox_where_it_is_wanted_elsewhere(helpers):
    """Otherwise calls of another thread would wait in the queue while ours follow each other."""
    done, stop = threading.Event(), threading.Event()

    def lead():
        while not stop.is_set():
            helpers.lead(item())

    leader = threading.Thread(target=lead)
    leader.start()
    try:
        for _ in range(50):
            done.clear()
            until(lambda: helpers.offer([done.set]) or done.wait(0.01))  # an offer is ignored while others wait
        assert helpers._work.qsize() <= 3
    finally:
        stop.set()
        leader.join()


def test_helpers_who_find_no_time_are_not_offered_more_and_more(helpers, monkeypatch):
    monkeypatch.setattr(helpers, "_serve", lambda: None)
    for _ in range(100):
        helpers.lead(item())
        team.claim_all(lambda number: None, 2, 2)
    assert helpers._work.qsize() <= 3


def test_work_that_nobody_takes_holds_nothing(helpers, monkeypatch):
    monkeypatch.setattr(helpers, "_serve", lambda: None)
    held = np.zeros(3)
    alive = weakref.ref(held)
    team.claim_all(lambda number, held=held: None, 2, 2)
    del held
    assert helpers._work.qsize() == 1
    assert alive() is None


def test_a_work_item_that_is_abandoned_is_joined_by_no_helper():
    own = item(3)
    own.abandon()
    own.join()
    assert own._numbers[JOINED] == 1
    assert not own.followed


@pytest.mark.skipif(usable_cpus() < 2, reason="no processor on which a helper could spin")
def test_work_items_left_in_a_mailbox_are_done_until_none_comes():
    mailboxes = mailboxes_of(1, ASLEEP)
    called = []
    for _ in range(100):  # on a busy machine a helper may be asleep again before this thread has a processor
        helper = threading.Thread(target=spin_on_mailbox, args=(mailboxes.ctypes.data,))
        helper.start()
        led = []
        while helper.is_alive() and len(led) < 20:
            if mailboxes[0, 0] == SPINNING:
                led.append(item())
                led[-1].lead(mailboxes)
        helper.join()
        called += [o for o in led if o._numbers[CALLED]]
        if called:
            break
    assert called
    for o in called:
        assert (o._numbers[JOINED], o._numbers[LEFT], o.followed) == (1, 1, False)
    assert mailboxes[0, 0] == ASLEEP


def test_no_helper_is_called_that_is_asleep_or_has_a_work_item():
    other, mailboxes = item(), mailboxes_of(3, ASLEEP)
    mailboxes[1, 0] = other._address
    own = item()
    own.lead(mailboxes)
    assert list(mailboxes[:, 0]) == [ASLEEP, other._address, ASLEEP]
    assert not own.followed


def test_no_more_are_called_than_wanted():
    mailboxes = mailboxes_of(5, SPINNING)
    own = item(3)
    own.lead(mailboxes)
    assert list(mailboxes[:, 0] == own._address) == [True, True, False, False, False]
    assert own.followed  # both may still start


def test_helpers_who_come_too_many_never_take_the_leaders_place():
    """The leader must wait for the end, or the caller would get unfinished results."""
    x, memory = np.arange(64, dtype=np.float32), np.zeros(64, np.float32)
    params = np.zeros(1, rows.PIXELWISE)
    names = {"row": 64, "out_row": 64, "H": 1, "W": 1, "C": 64, "real_C": 64, "out": memory.ctypes.data - x.ctypes.data}
    for name, value in names.items():
        params[name] = value
    table = Table(np.array([[rows.sigmoid.address, params.ctypes.data, 1]], np.int64))
    own = WorkItem(table, x.ctypes.data, 0, 0, 2, None)
    own._numbers[JOINED] = 2  # as if all had started and done nothing yet
    own.join()
    assert not memory.any()  # no scratch memory left for this one
    own.lead(mailboxes_of(0, ASLEEP))
    assert np.abs(memory - 1 / (1 + np.exp(-x.astype(np.float64)))).max() < 1e-6


def test_a_work_item_holds_what_it_needs_until_it_is_done():
    thing = object()
    own = item(held=thing)
    assert own.followed  # it may be led at any moment
    assert own._held is thing
    own.lead(mailboxes_of(0, ASLEEP))
    assert own._held is None
    assert not own.followed


def test_a_work_item_that_is_interrupted_before_it_begins_is_forgotten(helpers, monkeypatch):
    def interrupted(*_):
        raise KeyboardInterrupt

    own = item()
    monkeypatch.setattr(own, "lead", interrupted)
    with pytest.raises(KeyboardInterrupt):
        helpers.lead(own)
    assert not own.followed
    helpers.lead(item())
    assert own not in helpers._items


def test_work_items_are_forgotten(helpers, program, threads):
    threads(2)
    for _ in range(50):
        program(images(1))
    assert len(helpers._items) < 10


@pytest.mark.skipif(team._this_processor is None or not 2 <= usable_cpus() <= 16, reason="no way to say where threads run")
def test_a_helper_is_woken_on_another_processor(helpers):
    own, done = threading.get_native_id(), threading.Event()
    everywhere = os.sched_getaffinity(own)
    try:
        os.sched_setaffinity(own, {min(everywhere)})
        helpers.offer([done.set])  # no other processor: left to the system
        assert done.wait(10)
        assert os.sched_getaffinity(helpers._native_ids[0]) == {min(everywhere)}
    finally:
        os.sched_setaffinity(own, everywhere)
    done.clear()
    helpers.offer([done.set])
    assert done.wait(10)
    assert len(everywhere - os.sched_getaffinity(helpers._native_ids[0])) == 1


@pytest.mark.skipif(team._this_processor is None or usable_cpus() < 2, reason="no way to say where threads run")
def test_a_helper_makes_room_for_a_caller_who_was_moved_to_its_processor(helpers, program, threads, monkeypatch):
    """Two processors; a busy helper does not sleep, so `offer` alone would never move it."""
    a, b = sorted(os.sched_getaffinity(0))[:2]
    moves, here = [], [a]
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {a, b})
    monkeypatch.setattr(os, "sched_setaffinity", lambda thread, processors: moves.append(processors))
    monkeypatch.setattr(team, "_this_processor", lambda: here[0])
    threads(2)
    program(images(1))
    until(lambda: helpers._native_ids)
    helpers._keep_away()
    assert moves[-1] == {b}
    here[0] = b
    helpers.mailboxes[:, 0] = SPINNING
    helpers.lead(item())
    assert moves[-1] == {a}


def test_a_system_that_forbids_it_is_let_be(helpers, monkeypatch):
    def forbidden(*_):
        raise PermissionError

    monkeypatch.setattr(os, "sched_setaffinity", forbidden, raising=False)
    done = threading.Event()
    helpers.offer([done.set])
    assert done.wait(10)


def test_a_system_that_allows_no_more_threads(helpers, program, threads, monkeypatch):
    def refused(*_):
        raise RuntimeError("can't start new thread")

    batch = images(2)
    threads(1)
    expected = program(batch)
    threads(2)
    with monkeypatch.context() as patch:
        patch.setattr(team.system_threads, "start_new_thread", refused)
        assert_same_bits(program(batch), expected)
        assert_same_bits(program(batch[:1]), [y[:1] for y in expected])
        assert helpers._work.qsize() == 0
    assert_same_bits(program(batch), expected)
    assert helpers._started == 1


def test_more_helpers_than_mailboxes(helpers, monkeypatch):
    monkeypatch.setattr(team, "MOST_MAILBOXES", 2)
    helpers.forget()
    done, lock = [], threading.Lock()

    def work():
        with lock:
            done.append(1)

    helpers.offer([work] * 6)
    until(lambda: len(done) == 6)
    own = item(7)
    helpers.lead(own)
    assert len(helpers.mailboxes) == 2
    assert own._numbers[CALLED] <= 2
    until(lambda: not own.followed)


@pytest.mark.skipif(usable_cpus() < 2, reason="no processor on which a helper could spin")
def test_helpers_that_are_dismissed_leave_their_mailboxes(helpers):
    for _ in range(10):
        helpers.offer([lambda: None])
        until(lambda: (helpers.mailboxes[:, 0] == SPINNING).any() or helpers.offer([lambda: None]))
        helpers.dismiss()
        assert (helpers.mailboxes[:, 0] == ASLEEP).all()


EXIT = """
import numpy as np
import npfaceapi
npfaceapi.set_num_threads(2)
for _ in range(3):
    npfaceapi.nets.face_landmark_68_tiny_net.run_net(np.zeros((1, 112, 112, 3), np.float32))
"""


@pytest.mark.slow
def test_the_interpreter_ends_well_right_after_a_call():
    for _ in range(5):
        subprocess.run([sys.executable, "-c", EXIT], check=True)
