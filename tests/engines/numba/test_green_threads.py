"""gevent, eventlet and others that replace `threading`: helpers are still threads of the operating system."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys

import pytest

from helpers import ROOT
from npfaceapi.engines.usable_cpus import usable_cpus

pytestmark = pytest.mark.slow

#: Runs networks; `affinity` are the threads whose affinity was changed.
SETUP = """
import hashlib, os, subprocess, sys, _thread, threading
changed = []
main = threading.get_native_id()
if hasattr(os, "sched_setaffinity"):
    change = os.sched_setaffinity
    def sched_setaffinity(thread, processors):
        changed.append(thread or main)
        change(thread, processors)
    os.sched_setaffinity = sched_setaffinity

def run():
    out = [nets.face_expression_net.run_net(batch)["logits"].tobytes() for batch in batches]
    return hashlib.sha256(b"".join(out)).hexdigest()

def load():
    global np, faceapi, nets, team, batches
    import numpy as np
    import npfaceapi as faceapi
    from npfaceapi import nets
    from npfaceapi.engines.numba import threads as team
    faceapi.set_num_threads(2)
    batches = [np.full((N, 112, 112, 3), 99, np.float32) for N in (1, 3, 1)]

def tell():
    # What was computed; how many helpers there are, and how many of them are threads of the system of their own.
    result = {run() for _ in range(20)}
    allowed = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else set()
    child = "import os; print(len(os.sched_getaffinity(0)) if hasattr(os, 'sched_getaffinity') else 0)"
    inherited = subprocess.run([sys.executable, "-c", child], capture_output=True, text=True).stdout.strip()
    ours = set(team._helpers._native_ids)
    assert main not in ours and main not in changed and set(changed) <= ours, (main, ours, changed)
    assert len(allowed) == int(inherited) == before, (allowed, inherited, before)
    kinds = [type(lock).__module__ for lock in (team._helpers._lock, team._helpers._work, team.workspaces_lock())]
    assert kinds == ["_thread", "_queue", "_thread"], kinds
    print(len(result), result.pop(), team._helpers._started, len(ours))

before = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 0
"""
LOCK = """
from npfaceapi.engines.numba import workspace
team.workspaces_lock = lambda: workspace.workspaces._lock._lock
"""
GEVENT = "from gevent import monkey; monkey.patch_all()\n"
EVENTLET = "import eventlet; eventlet.monkey_patch()\n"
FAKES = """
def refuse(*arguments, **options):
    raise AssertionError("a thread or a lock that is not of the system")
import queue
threading.Thread = _thread.start_new_thread = queue.SimpleQueue = refuse
_thread.get_native_id = threading.get_native_id = lambda: main
"""
PATCHES = {"gevent": GEVENT, "eventlet": EVENTLET, "fakes": FAKES}


def run_python(source, **variables):
    command = [sys.executable, "-W", "ignore", "-c", source]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), **variables}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=200, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


@pytest.fixture(scope="module")
def expected():
    """The results of an ordinary program."""
    return run_python(f"{SETUP}load()\n{LOCK}tell()\n")


@pytest.fixture(params=PATCHES)
def patch(request):
    if request.param != "fakes" and importlib.util.find_spec(request.param) is None:
        pytest.skip(f"{request.param} is not installed")
    return PATCHES[request.param]


@pytest.mark.parametrize("order", ["before the import", "after it", "after the first call"])
def test_helpers_are_threads_of_the_system(patch, order, expected):
    steps = {
        "before the import": f"{patch}load()\n",
        "after it": f"load()\n{patch}",
        "after the first call": f"load()\nrun()\n{patch}",
    }
    assert run_python(f"{SETUP}{steps[order]}{LOCK}tell()\n") == expected
    assert expected[0] == "1"
    assert expected[2:] == ["1", "1"]


MANY = """
import {green}
spawn, sleep = {green}.spawn, {green}.sleep
beats, results, done = [], set(), []

def beat():
    while not done:
        beats.append(1)
        sleep(0.001)

def work(k):
    for _ in range(5):
        results.add(run())
        sleep(0.001)
    if k % 2:
        nets.tiny_face_detector.run_net(np.zeros((1, 64 + 32 * k, 64, 3), np.float32))  # plans a program

heart = spawn(beat)
workers = [spawn(work, k) for k in range(8)]
for worker in workers:
    worker.{join}()
done.append(1)
heart.{join}()
assert len(beats) > 5, len(beats)
assert len(results) == 1
"""


@pytest.mark.parametrize(("green", "join"), [("gevent", "join"), ("eventlet", "wait")])
def test_many_green_threads_at_once(green, join, expected):
    pytest.importorskip(green)
    many = MANY.format(green=green, join=join)
    assert run_python(f"{SETUP}{PATCHES[green]}load()\n{LOCK}{many}tell()\n") == expected


POOLS = {
    "gevent": "import gevent.threadpool\npool = gevent.threadpool.ThreadPool(3)\n"
              "results = set(pool.map(lambda _: run(), range(12)))\n",
    "eventlet": "from eventlet import tpool\npool = eventlet.GreenPool(3)\n"
                "results = set(pool.imap(lambda _: tpool.execute(run), range(12)))\n",
}  # fmt: skip


@pytest.mark.parametrize("green", POOLS)
def test_the_threads_of_its_own_pool(green, expected):
    pytest.importorskip(green)
    source = f"{SETUP}{PATCHES[green]}load()\n{LOCK}{POOLS[green]}assert len(results) == 1\ntell()\n"
    assert run_python(source) == expected


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
@pytest.mark.parametrize("green", ["gevent", "eventlet"])
def test_a_forked_child(green, expected):
    pytest.importorskip(green)
    child = "child = os.fork()\nif not child: os._exit(run() != first)\nassert os.waitpid(child, 0)[1] == 0\n"
    assert run_python(f"{SETUP}{PATCHES[green]}load()\n{LOCK}first = run()\n{child}tell()\n") == expected


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity") or usable_cpus() < 2, reason="no affinity here, or one processor")
def test_helpers_are_kept_off_the_callers_processor_and_nobody_else_is(expected):
    source = f"{SETUP}load()\n{LOCK}run(); run()\nassert changed, changed\ntell()\n"
    assert run_python(source) == expected
