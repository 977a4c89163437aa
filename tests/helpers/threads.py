"""Work in several threads at once."""

from __future__ import annotations

import threading


def run_in_threads(work, count):
    """Run `work(0)`, `work(1)`, ... each in a thread; all must end without an error."""
    failures = []

    def guarded(k):
        try:
            work(k)
        except BaseException as error:
            failures.append(error)

    workers = [threading.Thread(target=guarded, args=(k,)) for k in range(count)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(timeout=120)
    assert not failures
    assert not any(worker.is_alive() for worker in workers)
