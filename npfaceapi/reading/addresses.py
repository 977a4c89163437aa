"""What a URL asks, whom, and by which proxy; and whether that is a place of the Internet or of a private network."""

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
    """Why a URL is not read, without its name."""


class Place(NamedTuple):
    """Whom a URL asks, and for what."""

    scheme: str
    host: str  # a name in ASCII, or an address without brackets
    port: int
    path: str  # with the query

    @property
    def netloc(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == PORTS.get(self.scheme) else f"{host}:{self.port}"


_URL = re.compile(r"(https?)://([^/?#\\]*)([^#]*)", re.IGNORECASE | re.DOTALL)
_AUTHORITY = re.compile(r"(\[[^\[\]]*\]|[^\[\]:@]+)(?::([0-9]*))?")
_PROXY = re.compile(r"(?:([a-z][a-z0-9+.-]*)://)?(?:(.*)@)?([^/]*).*", re.IGNORECASE | re.DOTALL)


def place_of(url: str) -> Place:
    """What a URL of http or https asks, and whom."""
    parts = _URL.match(url)
    if parts is None:
        raise Refused(f"expected a URL of http or https, got one of {shown(url.partition(':')[0])}")
    scheme, authority, path = parts[1].lower(), parts[2], quote(parts[3], safe=string.punctuation)
    if "@" in authority:
        raise Refused("expected a URL without user and password (a header can carry them), got one with them")
    host, port = _host_and_port(authority)
    return Place(scheme, host, PORTS[scheme] if port is None else port, path if path.startswith("/") else f"/{path}")


def without_password(url: str) -> str:
    """The URL for a message: what stands before the host is left out, also where a stray / ? or # seems to end it."""
    parts = _URL.match(url)
    try:
        _host_and_port(parts[2] if parts else "")
    except (Refused, ValueError):
        return f"{url.partition('//')[0]}//***@{url.rpartition('@')[2]}" if "@" in url else url
    return url


def _host_and_port(authority: str) -> tuple[str, int | None]:
    parts = _AUTHORITY.fullmatch(authority)
    if parts is None or len(parts[2] or "") > 5 or int(parts[2] or 0) > 65535:
        raise Refused("expected a host, or a host and the number of a port, got something else")  # it can be a password
    host = unquote(parts[1].strip("[]"))
    if not host.isascii():
        host = host.encode("idna").decode("ascii")
    if not re.fullmatch(r"[!-~]{1,255}", host) or set("/?#@\\") & set(host):
        raise Refused(f"expected the name of a host, got {shown(host)}")
    return host, int(parts[2]) if parts[2] else None


class Proxy(NamedTuple):
    """Who stands between, and the headers that it wants."""

    is_secure: bool  # spoken to over TLS
    host: str
    port: int
    headers: dict[str, str]


def proxy_of(named: str, scheme: str) -> Proxy:
    """The proxy that the environment names for URLs of a scheme."""
    parts = _PROXY.fullmatch(named)
    assert parts is not None
    spoken = (parts[1] or "http").lower()
    if spoken not in PORTS:
        raise Refused(f"expected a proxy of http or https, got one of {shown(spoken)}")
    host, port = _host_and_port(parts[3])
    user = base64.b64encode(unquote(parts[2] or "").encode()).decode("ascii")
    # what goes to https goes through a tunnel, which is asked for in plain text, whatever the scheme of the proxy
    return Proxy(
        spoken == "https" and scheme == "http",
        host,
        PORTS["https" if "https" in (spoken, scheme) else "http"] if port is None else port,
        {"proxy-authorization": f"Basic {user}"} if user else {},
    )


def is_public(address: str) -> bool:
    """Whether an IP address is one of the Internet: not private, loopback, link-local, reserved or multicast."""
    ip = ipaddress.ip_address(address)
    if isinstance(ip, ipaddress.IPv4Address):
        return ip.is_global and not ip.is_multicast
    inner = ip.ipv4_mapped or ip.sixtofour or (ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF) if ip in _NAT64 else None)
    return is_public(str(inner)) if inner else ip in _UNICAST and not ip.is_private


def seems_public(host: str) -> bool:
    """The same for a host that a proxy looks up: of names only localhost is known."""
    with contextlib.suppress(OSError):
        host = socket.inet_ntoa(socket.inet_aton(host))  # of forms like 127.1 and 0x7f000001
    try:
        return is_public(host)
    except ValueError:
        return host.lower().rstrip(".").rpartition(".")[2] != "localhost"
