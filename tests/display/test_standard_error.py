"""Lines on standard error, with any object as `sys.stderr`."""

from __future__ import annotations

import io
import sys
import warnings

import pytest

from helpers.streams import STREAMS, OnlyWrites, closed
from npfaceapi.display.standard_error import is_terminal, say, warn


@pytest.mark.parametrize("stream", STREAMS)
def test_a_broken_standard_error_raises_nothing(stream, monkeypatch, capsys):
    monkeypatch.setattr(sys, "stderr", STREAMS[stream]())
    assert not is_terminal()
    say("a line")
    assert capsys.readouterr().out == ""


def test_no_standard_error_at_all(monkeypatch, capsys):
    monkeypatch.delattr(sys, "stderr")
    assert not is_terminal()
    say("a line")
    assert capsys.readouterr().out == ""


def test_every_writable_stream_gets_the_lines(monkeypatch):
    for stream in (OnlyWrites(), io.StringIO()):
        monkeypatch.setattr(sys, "stderr", stream)
        say("a line")
        say("another", end="")
        assert (stream.text if isinstance(stream, OnlyWrites) else stream.getvalue()) == "a line\nanother"
    monkeypatch.setattr(stream, "isatty", lambda: True)
    assert is_terminal()


def test_a_warning_is_an_error_only_if_that_is_wanted(monkeypatch):
    monkeypatch.setattr(sys, "stderr", closed())
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(RuntimeWarning, match="slow"):
            warn("slow")
        warnings.simplefilter("always")
        monkeypatch.setattr(warnings, "showwarning", lambda *_: sys.stderr.write(""))
        warn("slow")


def test_a_warning_names_the_line_that_called_the_package():
    with pytest.warns(RuntimeWarning) as caught:
        warn("slow")
    assert caught[0].filename == __file__
