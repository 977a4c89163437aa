"""Fetching photos, JSON and weights from `http(s)://` and `file:` URLs and from plain paths."""

from __future__ import annotations

import io
import os
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypedDict

import numpy as np
from numpy.typing import NDArray

from npfaceapi.errors import FetchError, InvalidArgument, InvalidType, WeightsError, shown
from npfaceapi.faces.points import is_number
from npfaceapi.reading.files import open_regular, read_up_to, reason_of
from npfaceapi.reading.json_text import read_json

if TYPE_CHECKING:
    from PIL import Image

__all__ = ["RequestInit", "fetch_image", "fetch_into", "fetch_json", "fetch_net_weights", "fetch_or_throw", "is_url", "path_of"]

TIMEOUT, MAX_BYTES = 30.0, 512 * 2**20
_URL = re.compile(r"https?://|file:", re.IGNORECASE)
_TOKEN, _HEADER_VALUE = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"), re.compile(r"[\t\x20-\x7e\x80-\xff]*")


class RequestInit(TypedDict, total=False):
    """The parts of an HTTP request besides its URL."""

    method: str
    headers: Mapping[str, str]
    body: bytes


def is_url(text: str) -> bool:
    """Whether a string is an `http://`, `https://` or `file:` URL; any other string is a path."""
    return _URL.match(text) is not None


def fetch_or_throw(
    url: str | os.PathLike[str], init: RequestInit | None = None, timeout: float = TIMEOUT, max_bytes: int = MAX_BYTES
) -> bytes:
    """Fetch the content of a URL or a path.

    Parameters
    ----------
    url : str or os.PathLike
        `http://`, `https://` or `file:` URL, or the path of a regular file.  Up to 10 redirects are followed, to http and
        https only, and from a public address to public addresses only (behind a proxy, names other than localhost pass).
    init : mapping, optional
        The parts of an HTTP request besides the URL: "method", "headers" (a mapping), "body" (bytes).  Authorization and
        Cookie are not sent after a redirect to another host.
    timeout : float
        Seconds for the whole HTTP request, from the DNS lookup to the last byte, redirects included.
    max_bytes : int
        A longer response is refused.

    Raises
    ------
    FetchError
        Not found, a status other than 200..299, no connection, too slow, too long, or truncated.
    InvalidArgument, InvalidType
        An invalid `init`, `timeout` or `max_bytes`.

    Examples
    --------
    >>> import tempfile, pathlib
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "a.txt"
    >>> _ = path.write_bytes(b"abc")
    >>> fetch_or_throw(path.as_uri()), fetch_or_throw(path)
    (b'abc', b'abc')
    """
    if not isinstance(url, (str, os.PathLike)):
        raise InvalidType(f"fetch_or_throw: expected a URL or a path, got {type(url).__name__}")
    name = os.fspath(url)
    if not isinstance(name, str):
        raise InvalidType(f"fetch_or_throw: expected a URL or a path of type str, got a path of {type(name).__name__}")
    if not is_number(timeout) or timeout <= 0:
        raise InvalidArgument(f"fetch_or_throw: expected timeout to be seconds above 0, got {shown(timeout)}")
    if not isinstance(max_bytes, (int, np.integer)) or isinstance(max_bytes, bool) or max_bytes < 0:
        raise InvalidArgument(f"fetch_or_throw: expected max_bytes to be an integer from 0 up, got {shown(max_bytes)}")
    request = _request(init)
    if not isinstance(url, str) or not is_url(url):
        return _read_file(name, name, max_bytes)
    if url[:5].lower() == "file:":
        return _read_file(path_of(url), url, max_bytes)
    from npfaceapi.reading import http

    data = io.BytesIO()
    http.read_url(http.Request(url, *request), timeout, int(max_bytes), data.write)
    return data.getvalue()


def _request(init: Any) -> tuple[str, dict[str, str], bytes | None]:
    """Method, headers (their names in lower case) and body."""
    if not isinstance(init, (Mapping, type(None))):
        raise InvalidType(f"fetch_or_throw: expected init to be a mapping, got {type(init).__name__}")
    given: dict[Any, Any] = {} if init is None else dict(init)
    method, headers, body = (given.pop(key, None) for key in ("method", "headers", "body"))
    for key in given:
        raise InvalidArgument(f"fetch_or_throw: expected init to have method, headers or body, got {shown(key)}")
    headers = {} if headers is None else headers
    if not isinstance(method, (str, type(None))) or not isinstance(body, (bytes, bytearray, memoryview, type(None))):
        raise InvalidType(
            f"fetch_or_throw: expected a method of type str and a body of bytes, got {shown(method)}, {shown(body)}"
        )
    if not isinstance(headers, Mapping) or not all(isinstance(text, str) for pair in headers.items() for text in pair):
        raise InvalidType(f"fetch_or_throw: expected headers to be a mapping of strings, got {shown(headers)}")
    if method is not None and not _TOKEN.fullmatch(method):
        raise InvalidArgument(f"fetch_or_throw: expected the name of a method, got {shown(method)}")
    for name, value in headers.items():
        if not _TOKEN.fullmatch(name) or not _HEADER_VALUE.fullmatch(value):
            raise InvalidArgument(f"fetch_or_throw: expected a header that HTTP allows, got {shown(name)}: {shown(value)}")
    default = "GET" if body is None else "POST"
    return (method or default).upper(), {name.lower(): v for name, v in headers.items()}, None if body is None else bytes(body)


def fetch_into(url: str, room: memoryview) -> int:
    """Fetch an HTTP URL into the start of a buffer and return the number of bytes; a longer response is refused."""
    from npfaceapi.reading import http

    count = 0

    def write(piece: bytes) -> None:
        nonlocal count
        room[count : count + len(piece)] = piece
        count += len(piece)

    http.read_url(http.Request(url, "GET", {}, None), TIMEOUT, len(room), write)
    return count


def fetch_image(uri: str | os.PathLike[str]) -> Image.Image:
    """Fetch and decode a photo.

    Parameters
    ----------
    uri : str or os.PathLike
        URL or path.

    Returns
    -------
    PIL.Image.Image
        Mode RGB; orientation, alpha, palette and 16 bits are handled as in `load_image`.

    Raises
    ------
    FetchError
        If it cannot be fetched.
    ImageError
        If the content is not an image.

    Examples
    --------
    >>> import tempfile, pathlib
    >>> from PIL import Image
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "a.png"
    >>> Image.new("RGB", (4, 3)).save(path)
    >>> fetch_image(path).size
    (4, 3)
    """
    from npfaceapi.photos.decoding import decode_file, to_pil

    return to_pil(decode_file(io.BytesIO(fetch_or_throw(uri)), os.fspath(uri)))


def fetch_json(uri: str | os.PathLike[str]) -> Any:
    """Fetch JSON and return its value: a dict, a list, ….

    Parameters
    ----------
    uri : str or os.PathLike
        URL or path of a UTF-8 text.

    Raises
    ------
    FetchError
        If it cannot be fetched or is not JSON.

    Examples
    --------
    >>> import tempfile, pathlib
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "a.json"
    >>> _ = path.write_text('{"a": [1, 2]}')
    >>> fetch_json(path)
    {'a': [1, 2]}
    """
    data = fetch_or_throw(uri)
    try:
        return read_json(data)
    except ValueError as error:
        raise FetchError(f"{os.fspath(uri)}: expected JSON, got {len(data)} bytes of something else ({error})") from None


def fetch_net_weights(uri: str | os.PathLike[str]) -> NDArray[np.float32]:
    """Fetch the weights of a network as one flat array (a `.weights` file: little-endian float32, nothing else).

    Parameters
    ----------
    uri : str or os.PathLike
        URL or path.

    Returns
    -------
    ndarray
        float32 `[n]`.

    Raises
    ------
    FetchError
        If it cannot be fetched.
    WeightsError
        If its length is not a multiple of 4 bytes.

    Examples
    --------
    >>> import tempfile, pathlib
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "a.weights"
    >>> _ = path.write_bytes(np.array([1.5, -2.0], "<f4").tobytes())
    >>> fetch_net_weights(path).tolist()
    [1.5, -2.0]
    """
    data = fetch_or_throw(uri)
    if len(data) % 4:
        raise WeightsError(f"{os.fspath(uri)}: expected float32 weights, a multiple of 4 bytes, got {len(data)} bytes")
    return np.frombuffer(data, "<f4").astype(np.float32)


def path_of(url: str) -> str:
    """The path that a `file:` URL names."""
    from urllib.parse import urlsplit
    from urllib.request import url2pathname

    try:
        parts = urlsplit(url)
    except ValueError:
        raise FetchError(f"{url}: expected a file on this machine (file:///path), got something else") from None
    if parts.netloc not in ("", "localhost"):
        raise FetchError(
            f"{url}: expected a file on this machine (file:///path), got the host {shown(parts.netloc.rpartition('@')[2])}"
        )
    return url2pathname(parts.path)


def _read_file(path: str, name: str, max_bytes: int) -> bytes:
    try:
        with open_regular(path) as file:
            data = read_up_to(file, max_bytes + 1)
    except (OSError, ValueError) as error:  # ValueError: a null character in the path
        raise FetchError(f"{name}: expected a file that can be read, got: {reason_of(error)}") from None
    if len(data) > max_bytes:
        raise FetchError(f"{name}: expected at most {max_bytes} bytes, got more")
    return data
