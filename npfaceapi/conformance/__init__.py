"""Golden cases of the real face-api.js, and the comparison of a backend with them (see golden/README.md).

A Python class that is judged as a port raises `NotClaimed("why")` for a case that it does not support.
"""

from npfaceapi.conformance.port_errors import NotClaimed

__all__ = ["NotClaimed"]
