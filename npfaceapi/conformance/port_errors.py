"""What a port raises where it has no answer."""

from __future__ import annotations

from npfaceapi.errors import printable

__all__ = ["NotClaimed", "PortFailed"]

MOST_DETAILS = 20_000  # characters


class NotClaimed(Exception):
    """The port does not claim to do this: the case is skipped, with the message as the reason.

    Examples
    --------
    >>> class Port:
    ...     def operation(self, *arguments, **named):
    ...         raise NotClaimed("no operations yet")
    >>> Port().operation("relu")
    Traceback (most recent call last):
        ...
    npfaceapi.conformance.port_errors.NotClaimed: no operations yet
    """


class PortFailed(Exception):
    """The port crashed, hung, or answered with what is no answer.

    Parameters
    ----------
    problem : str
        One line.
    details : str
        What more there is to read, in many lines: a traceback.  Of a very long one the end is kept.
    """

    def __init__(self, problem: str, details: str = "") -> None:
        super().__init__(problem)
        self.details = "\n".join(printable(line.expandtabs()) for line in details[-MOST_DETAILS:].splitlines())
