"""Parsing URLs and proxies; and whether an address is public or in a private network."""

from __future__ import annotations

import base64
import contextlib
import ipaddress
import re
import socket
import string
from typing import NamedTuple
from urllib.parse import quote, unquote

from npfaceapi.errors import shown

__all__ = ["PORTS", "Place", "Proxy", "Refused", "is_public", "place_of", "proxy_of", "seems_public", "without_password"]

PORTS = {"http": 80, "https": 443}
_UNICAST, _NAT64 = ipaddress.IPv6Network("2000::/3"), ipaddress.IPv6Network("64:ff9b::/96")


class Refused(Exception):
    """The reason why a URL is refused, without the URL itself."""


class Place(NamedTuple):
    """The parts of a URL: scheme, host, port and path."""

    scheme: str
    host: str  # a name in ASCII, or an address without brackets
    port: int
    path: str  # including the query

    @property
    def netloc(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == PORTS.get(self.scheme) else f"{host}:{self.port}"


_URL = re.compile(r"(https?)://([^/?#\\]*)([^#]*)", re.IGNORECASE | re.DOTALL)
_AUTHORITY = re.compile(r"(\[[^\[\]]*\]|[^\[\]:@]+)(?::([0-9]*))?")
_PROXY = re.compile(r"(?:([a-z][a-z0-9+.-]*)://)?(?:(.*)@)?([^/]*).*", re.IGNORECASE | re.DOTALL)


def place_of(url: str) -> Place:
    """Parse an http or https URL; raises Refused."""
    parts = _URL.match(url)
    if parts is None:
        raise Refused(f"expected a URL of http or https, got one of {shown(url.partition(':')[0])}")
    scheme, authority, path = parts[1].lower(), parts[2], quote(parts[3], safe=string.punctuation)
    if "@" in authority:
        raise Refused("expected a URL without user and password (a header can carry them), got one with them")
    host, port = _host_and_port(authority)
    return Place(scheme, host, PORTS[scheme] if port is None else port, path if path.startswith("/") else f"/{path}")


def without_password(url: str) -> str:
    """The URL for a message, without user and password, even if a stray / ? or # seems to end the host."""
    parts = _URL.match(url)
    try:
        _host_and_port(parts[2] if parts else "")
    except (Refused, ValueError):
        return f"{url.partition('//')[0]}//***@{url.rpartition('@')[2]}" if "@" in url else url
    return url


def _host_and_port(authority: str) -> tuple[str, int | None]:
    parts = _AUTHORITY.fullmatch(authority)
    if parts is None or len(parts[2] or "") > 5 or int(parts[2] or 0) > 65535:
        raise Refused("expected a host, or a host and a port number, got something else")  # not shown: it can be a password
    host = unquote(parts[1].strip("[]"))
    if not host.isascii():
        host = host.encode("idna").decode("ascii")
    if not re.fullmatch(r"[!-~]{1,255}", host) or set("/?#@\\") & set(host):
        raise Refused(f"expected a host name, got {shown(host)}")
    return host, int(parts[2]) if parts[2] else None


class Proxy(NamedTuple):
    """A proxy, and the headers for it."""

    is_secure: bool  # the connection to it uses TLS
    host: str
    port: int
    headers: dict[str, str]


def proxy_of(named: str, scheme: str) -> Proxy:
    """Parse the proxy that the environment names for URLs of a scheme."""
    parts = _PROXY.fullmatch(named)
    assert parts is not None
    spoken = (parts[1] or "http").lower()
    if spoken not in PORTS:
        raise Refused(f"expected a proxy of http or https, got one of {shown(spoken)}")
    host, port = _host_and_port(parts[3])
    user = base64.b64encode(unquote(parts[2] or "").encode()).decode("ascii")
    # https goes through a tunnel, which is requested in plain text whatever the scheme of the proxy
    return Proxy(
        spoken == "https" and scheme == "http",
        host,
        PORTS["https" if "https" in (spoken, scheme) else "http"] if port is None else port,
        {"proxy-authorization": f"Basic {user}"} if user else {},
    )


def is_public(address: str) -> bool:
    """Whether an IP address is public: not private, loopback, link-local, reserved or multicast."""
    ip = ipaddress.ip_address(address)
    if isinstance(ip, ipaddress.IPv4Address):
        return ip.is_global and not ip.is_multicast
    inner = ip.ipv4_mapped or ip.sixtofour or (ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF) if ip in _NAT64 else None)
    return is_public(str(inner)) if inner else ip in _UNICAST and not ip.is_private


def seems_public(host: str) -> bool:
    """As `is_public`, for a host that a proxy resolves: a name counts as public unless it is localhost."""
    with contextlib.suppress(OSError):
        host = socket.inet_ntoa(socket.inet_aton(host))  # also accepts forms like 127.1 and 0x7f000001
    try:
        return is_public(host)
    except ValueError:
        return host.lower().rstrip(".").rpartition(".")[2] != "localhost"
