"""Fixtures that several folders of tests share."""

from __future__ import annotations

import pytest

pytest.register_assert_rewrite("helpers")


@pytest.fixture
def run(capsys):
    """Runs a command in this process: (exit status, output, errors)."""
    from npfaceapi import cli

    def run(*argv):
        try:
            status = cli.main([str(argument) for argument in argv])
        except SystemExit as stop:
            status = stop.code
        captured = capsys.readouterr()
        assert "Traceback" not in captured.err
        return status, captured.out, captured.err

    return run


@pytest.fixture
def threads():
    """A function that sets the number of threads for the test."""
    from npfaceapi.engines import thread_count

    before = thread_count._of_the_process
    yield thread_count.set_num_threads
    thread_count._of_the_process = before
