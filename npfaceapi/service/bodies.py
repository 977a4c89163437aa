"""Reading the body of a request, in bounded memory and time, and never into a file."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Iterable
from dataclasses import dataclass, field

from starlette.datastructures import Headers, UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import ClientDisconnect, Request

from npfaceapi.errors import InvalidArgument, shown
from npfaceapi.service.limits import Limits, Refused

__all__ = ["Bodies", "Form", "add_fields"]

MOST_PARTS = 64


@dataclass
class Form:
    """The fields of a request, of its query and of its body, and its photos, each with the name of its file."""

    fields: dict[str, str] = field(default_factory=dict)
    photos: list[tuple[str, bytes]] = field(default_factory=list)

    def photo(self) -> tuple[str, bytes]:
        """The only photo; its part may have any name."""
        if len(self.photos) != 1:
            raise Refused(400, f"expected one photo, as the body or as a file in a form, got {len(self.photos)}")
        return self.photos[0]


class Bodies:
    """Reads the bodies of requests; `limits` hold for each and for all at the same time."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._held = 0

    @contextlib.asynccontextmanager
    async def form(self, request: Request) -> AsyncIterator[Form]:
        """The form of a request, whose memory counts until the block ends."""
        before = [0]
        try:
            body = await self._read(request, before)
            form = Form()
            add_fields(form.fields, request.query_params.multi_items())
            if request.headers.get("content-type", "").partition(";")[0].strip().lower() == "multipart/form-data":
                await _parse(request.headers, body, form, self._limits.body)
            elif body:
                form.photos.append(("photo", body))
            del body
            yield form
        except asyncio.CancelledError:
            raise Refused(503, "expected a service that goes on, got one that is being ended") from None
        finally:
            self._held -= before[0]

    async def _read(self, request: Request, held: list[int]) -> bytes:
        most = self._limits.body
        too_large = Refused(413, f"expected a body of at most {most / 1e6:g} MB, got more")
        length = request.headers.get("content-length", "0")
        if not length.isdecimal() or int(length) > most:
            raise too_large
        parts: list[bytes] = []
        try:
            async with asyncio.timeout(self._limits.body_seconds):
                async for part in request.stream():
                    self._held += len(part)
                    held[0] += len(part)
                    if held[0] > most:
                        raise too_large
                    if self._held > self._limits.all_bodies:
                        raise Refused(429, "expected fewer photos at the same time: try again in a second")
                    parts.append(part)
        except TimeoutError:
            raise Refused(408, f"expected a body within {self._limits.body_seconds:g} seconds, got a part of it") from None
        except ClientDisconnect:
            raise Refused(400, "expected a whole body, got a part of it") from None
        return b"".join(parts)


class _InMemory(MultiPartParser):
    spool_max_size = 1 << 40  # no temporary files: photos are stored nowhere


async def _parse(headers: Headers, body: bytes, form: Form, most: int) -> None:
    async def stream() -> AsyncGenerator[bytes, None]:
        yield body

    limits = {"max_files": MOST_PARTS, "max_fields": MOST_PARTS, "max_part_size": most}
    try:
        parts = (await _InMemory(headers, stream(), **limits).parse()).multi_items()
    except (MultiPartException, ValueError) as error:  # ValueError: of python-multipart
        raise Refused(400, f"expected multipart/form-data, got a body that is damaged: {error}") from None
    for name, value in parts:
        if isinstance(value, UploadFile):
            form.photos.append((value.filename or name, await value.read()))
            await value.close()
        else:
            add_fields(form.fields, [(name, value)])


def add_fields(fields: dict[str, str], more: Iterable[tuple[str, str]]) -> None:
    """Add fields, each a name and a value; raises InvalidArgument if one is there already."""
    for name, value in more:
        if name in fields:
            raise InvalidArgument(f"{shown(name)}: expected one value, got more")
        fields[name] = value
