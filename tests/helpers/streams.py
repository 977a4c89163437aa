"""Objects that an application may use in place of standard output or standard error."""

from __future__ import annotations

import io


class OnlyWrites:
    """A minimal object: no `isatty`, no `flush`."""

    def __init__(self):
        self.text = ""

    def write(self, text):
        self.text += text


class Raises:
    """An object whose methods all raise."""

    def __init__(self, error):
        self.error = error

    def write(self, text):
        raise self.error

    def flush(self):
        raise self.error

    def isatty(self):
        raise self.error


def closed():
    stream = io.StringIO()
    stream.close()
    return stream


class Nothing:
    """An object without even a `write`."""


#: By name; created for each test.
STREAMS = {
    "none": lambda: None,
    "closed": closed,
    "only writes": OnlyWrites,
    "nothing": Nothing,
    "broken pipe": lambda: Raises(BrokenPipeError(32, "Broken pipe")),
    "full disk": lambda: Raises(OSError(28, "No space left on device")),
    "detached": lambda: Raises(ValueError("underlying buffer has been detached")),
    "anything": lambda: Raises(RuntimeError("of the application's own")),
}
