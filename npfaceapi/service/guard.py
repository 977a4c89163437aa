"""Who may ask: the headers Host, Origin and Authorization are checked before anything else."""

from __future__ import annotations

import hmac
import ipaddress
import json
import re
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

__all__ = ["SUBPROTOCOL", "Guard", "is_loopback", "subprotocols"]

SUBPROTOCOL = "npfaceapi"  # a browser cannot send Authorization with a WebSocket: it offers this, and bearer.TOKEN
_OPEN = ("/v1/health", "/openapi.json")  # without a token, as is the page

#: Of every answer: the page loads nothing from elsewhere, and no other page can embed it or read it.
_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; "
    "media-src blob:; connect-src 'self' {sockets}; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(self)",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-cache",
}


def is_loopback(host: str) -> bool:
    """Whether an address or a name means this machine only."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"


class Guard:
    """ASGI middleware that refuses requests of other sites.

    Parameters
    ----------
    token : str or None
        Without one, the Host must be this machine: a page of another site whose name was made to lead here (DNS rebinding)
        sends its own name.  With one, any name is accepted, as such a page does not know the token.
    """

    def __init__(self, app: ASGIApp, token: str | None) -> None:
        self._app = app
        self._token = token

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        refusal = self._refusal(scope, Headers(scope=scope))
        if refusal is None:
            await self._app(scope, receive, _with_headers(send, Headers(scope=scope).get("host", "")))
        else:
            status, reason = refusal
            headers = [(b"content-type", b"application/json"), (b"connection", b"close")]
            headers += [(b"www-authenticate", b"Bearer")] if status == 401 else []
            kind = "http" if scope["type"] == "http" else "websocket.http"  # a WebSocket is not accepted, but answered in HTTP
            await send({"type": f"{kind}.response.start", "status": status, "headers": headers})
            await send({"type": f"{kind}.response.body", "body": json.dumps({"error": reason}).encode()})

    def _refusal(self, scope: Scope, headers: Headers) -> tuple[int, str] | None:
        host = headers.get("host", "")
        if self._token is None and not is_loopback(_name(host)):
            return 421, f"expected a Host that is this machine, such as localhost, got {host[:100]!r}"
        origin = headers.get("origin")
        if origin is not None and _site(origin) != host.lower():
            return 403, f"expected a request of the service's own page, got one of {origin[:100]!r}"
        if self._token is None or (scope["type"] == "http" and not _needs_token(scope)):
            return None
        if hmac.compare_digest(_token(headers).encode(), self._token.encode()):
            return None
        return 401, "expected the header Authorization: Bearer TOKEN, with the token that npfaceapi serve printed"


def _site(origin: str) -> str | None:
    """The Host that an Origin's page came from."""
    try:
        return urlsplit(origin).netloc.lower()
    except ValueError:
        return None


def _name(host: str) -> str:
    """A Host without its port and the brackets of an IPv6 address."""
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""


def _needs_token(scope: Scope) -> bool:
    path = str(scope["path"])
    return path.startswith("/v1/") and path not in _OPEN


def _token(headers: Headers) -> str:
    kind, _, token = str(headers.get("authorization", "")).partition(" ")
    if kind.lower() == "bearer":
        return token.strip()
    return next((each.removeprefix("bearer.") for each in subprotocols(headers) if each.startswith("bearer.")), "")


def subprotocols(headers: Headers) -> list[str]:
    """Those that a WebSocket offers."""
    return [each.strip() for each in str(headers.get("sec-websocket-protocol", "")).split(",")]


def _with_headers(send: Send, host: str) -> Callable[[Message], Any]:
    named = host if re.fullmatch(r"[\w.:\[\]-]+", host, re.ASCII) else ""
    sockets = f"ws://{named} wss://{named}" if named else ""  # to some browsers 'self' is not the WebSockets of the same host

    async def send_with_headers(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            for name, value in _HEADERS.items():
                headers[name] = value.format(sockets=sockets)
        await send(message)

    return send_with_headers
