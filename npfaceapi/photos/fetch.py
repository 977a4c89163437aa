"""Fetching photos, JSON and weights from `http(s)://` and `file:` URLs and from plain paths."""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypedDict

import numpy as np
from numpy.typing import NDArray

from npfaceapi.errors import FetchError, InvalidArgument, InvalidType, WeightsError
from npfaceapi.reading.files import open_regular, reason_of

if TYPE_CHECKING:
    import urllib.request

    from PIL import Image

__all__ = ["RequestInit", "fetch_image", "fetch_json", "fetch_net_weights", "fetch_or_throw", "is_url", "path_of"]

_URL = re.compile(r"https?://|file:", re.IGNORECASE)
_CHUNK = 1 << 16


class RequestInit(TypedDict, total=False):
    """What an http request is made of besides its URL."""

    method: str
    headers: Mapping[str, str]
    body: bytes


def is_url(text: str) -> bool:
    """Whether a string is an `http://`, `https://` or `file:` URL; any other string is a path."""
    return _URL.match(text) is not None


def fetch_or_throw(
    url: str | os.PathLike[str], init: RequestInit | None = None, timeout: float = 30.0, max_bytes: int = 512 * 2**20
) -> bytes:
    """Fetch what stands at a URL or a path.

    Parameters
    ----------
    url : str or os.PathLike
        `http://`, `https://` or `file:` URL, or a path.  Redirects are followed, to http and https only.
    init : mapping, optional
        What an http request is made of besides the URL: "method", "headers" (a mapping), "body" (bytes).
    timeout : float
        Seconds for the whole of it.
    max_bytes : int
        A longer answer is refused.

    Raises
    ------
    FetchError
        Nothing there, status 400 or above, no connection, too slow, too long, cut short.

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
    if unknown := set(init or {}) - {"method", "headers", "body"}:
        raise InvalidArgument(f"fetch_or_throw: expected init to have method, headers or body, got {sorted(unknown)[0]!r}")
    name = os.fspath(url)
    if not isinstance(name, str):
        raise InvalidType(f"fetch_or_throw: expected a URL or a path of type str, got a path of {type(name).__name__}")
    if isinstance(url, str) and is_url(url):
        if url[:5].lower() == "file:":
            return _read_file(path_of(url), url, max_bytes)
        return _request(url, init or {}, timeout, max_bytes)
    return _read_file(name, name, max_bytes)


def fetch_image(uri: str | os.PathLike[str]) -> Image.Image:
    """Fetch and decode a photo.

    Parameters
    ----------
    uri : str or os.PathLike
        URL or path.

    Returns
    -------
    PIL.Image.Image
        Mode RGB; orientation, alpha, palette and 16 bits handled as everywhere in this package.

    Raises
    ------
    FetchError
        If it cannot be fetched.
    ImageError
        If what was fetched is no image.

    Examples
    --------
    >>> import tempfile, pathlib
    >>> from PIL import Image
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "a.png"
    >>> Image.new("RGB", (4, 3)).save(path)
    >>> fetch_image(path).size
    (4, 3)
    """
    import io

    from npfaceapi.photos.decoding import decode_file, to_pil

    return to_pil(decode_file(io.BytesIO(fetch_or_throw(uri)), os.fspath(uri)))


def fetch_json(uri: str | os.PathLike[str]) -> Any:
    """Fetch JSON and return what it says: a dict, a list, ….

    Parameters
    ----------
    uri : str or os.PathLike
        URL or path of a UTF-8 text.

    Raises
    ------
    FetchError
        If it cannot be fetched or is no JSON.

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
        return json.loads(data.decode("utf-8-sig"))
    except ValueError as error:  # JSONDecodeError and UnicodeDecodeError are ValueErrors
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
    except ValueError as error:
        raise FetchError(f"{url}: expected a file on this machine (file:///path), got: {error}") from None
    if parts.netloc not in ("", "localhost"):
        raise FetchError(f"{url}: expected a file on this machine (file:///path), got the host {parts.netloc!r}")
    return url2pathname(parts.path)


def _read_file(path: str, name: str, max_bytes: int) -> bytes:
    try:
        with open_regular(path) as file:
            size = min(os.fstat(file.fileno()).st_size, max_bytes)
            data = file.read(size + 1)  # takes memory for all that it is asked for
            if size < len(data) <= max_bytes:  # it grows, or says no size, as those in /proc
                data += file.read(max_bytes - size)
    except (OSError, ValueError) as error:  # ValueError: a null character in the path
        raise FetchError(f"{name}: expected a file that can be read, got: {reason_of(error)}") from None
    if len(data) > max_bytes:
        raise _too_long(name, max_bytes)
    return data


def _request(url: str, init: RequestInit, timeout: float, max_bytes: int) -> bytes:
    import http.client
    import string
    import urllib.error
    import urllib.parse
    import urllib.request

    from npfaceapi._version import __version__

    deadline = time.monotonic() + timeout
    try:
        quoted = urllib.parse.quote(url, safe=string.punctuation)
        headers = {"User-Agent": f"npfaceapi/{__version__}", **init.get("headers", {})}
        request = urllib.request.Request(quoted, init.get("body"), headers, method=init.get("method"))
        with _opener().open(request, timeout=timeout) as response:
            length = response.headers.get("Content-Length")
            if length is not None and length.isdigit() and int(length) > max_bytes:
                raise _too_long(url, max_bytes)
            data = bytearray()
            while chunk := response.read1(_CHUNK):  # read() would wait for a whole chunk, however slowly it drips in
                data += chunk
                if len(data) > max_bytes:
                    raise _too_long(url, max_bytes)
                if time.monotonic() > deadline:
                    raise TimeoutError
    except FetchError:
        raise
    except urllib.error.HTTPError as error:
        error.close()
        reason = " ".join(str(error.reason).split())  # that of an endless redirect has three lines
        raise FetchError(f"failed to fetch: ({error.code}) {reason}, from url: {url}") from None
    except TimeoutError:
        raise _too_slow(url, timeout) from None
    except urllib.error.URLError as error:
        if isinstance(error.reason, TimeoutError):
            raise _too_slow(url, timeout) from None
        raise FetchError(f"failed to fetch: {error.reason}, from url: {url}") from None
    except (OSError, http.client.HTTPException, ValueError) as error:  # ValueError: a malformed URL
        raise FetchError(f"failed to fetch: {' '.join(str(error).split()) or type(error).__name__}, from url: {url}") from None
    if length is not None and length.isdigit() and len(data) != int(length):
        raise FetchError(f"failed to fetch: expected {length} bytes, got {len(data)}, from url: {url}")
    return bytes(data)


def _opener() -> urllib.request.OpenerDirector:
    """An opener for http and https alone: the usual one also knows ftp:, data: and file:, which a redirect could name."""
    import urllib.request

    opener = urllib.request.OpenerDirector()
    for handler in (
        urllib.request.ProxyHandler(),
        urllib.request.HTTPHandler(),
        urllib.request.HTTPSHandler(),
        urllib.request.HTTPRedirectHandler(),
        urllib.request.HTTPDefaultErrorHandler(),
        urllib.request.HTTPErrorProcessor(),
        urllib.request.UnknownHandler(),
    ):
        opener.add_handler(handler)
    return opener


def _too_long(name: str, max_bytes: int) -> FetchError:
    return FetchError(f"{name}: expected at most {max_bytes} bytes, got more")


def _too_slow(url: str, timeout: float) -> FetchError:
    return FetchError(f"failed to fetch: no answer within {timeout:g} s, from url: {url}")
