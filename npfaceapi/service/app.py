"""The web application: the addresses of the service, and its page."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import json
from collections.abc import AsyncIterator, Callable, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount, Route, WebSocketRoute
from starlette.staticfiles import StaticFiles
from starlette.websockets import WebSocket

from npfaceapi._version import __version__
from npfaceapi.errors import InvalidArgument, NpFaceApiError
from npfaceapi.faces.calibration import Calibration
from npfaceapi.faces.matcher import FaceMatcher, euclidean_distance
from npfaceapi.networks.registry import DETECTORS, detector_of
from npfaceapi.photos.limits import TooManyPixels
from npfaceapi.service.answering import Answer, answer, begin
from npfaceapi.service.bodies import Bodies, Form
from npfaceapi.service.guard import Guard
from npfaceapi.service.limits import Limits, Refused
from npfaceapi.service.openapi import description
from npfaceapi.service.questions import Question, question
from npfaceapi.service.records import record
from npfaceapi.service.streams import TRY_AGAIN, Stream
from npfaceapi.service.workers import Workers

if TYPE_CHECKING:
    from npfaceapi.service.people import People

__all__ = ["Settings", "make_app"]

PAGE = Path(__file__).parent / "page"


@dataclasses.dataclass(frozen=True)
class Settings:
    """The settings of a service.

    Attributes
    ----------
    workers : int
        Child processes.
    backend : str
    megapixels : float
        The largest photo.
    weights : Path or None
        The folder with the weights of Tiny YOLO v2.
    people : People or None
    token : str or None
        What a request must send, unless it is None.
    limits : Limits
    """

    workers: int
    backend: str
    megapixels: float
    weights: Path | None = None
    people: People | None = None
    token: str | None = None
    limits: Limits = dataclasses.field(default_factory=Limits)


def make_app(settings: Settings, begin: Callable[..., object] = begin, answer: Callable[..., Answer] = answer) -> Starlette:
    """The application; `begin` and `answer` run in the workers."""
    prepare = partial(begin, settings.backend, settings.megapixels, settings.weights)
    respond = partial(answer, limits=settings.limits)
    service = _Service(settings, Workers(settings.workers, prepare, respond, settings.limits))
    routes = [
        Route("/analyze", service.analyze, methods=["POST"]),
        Route("/match", service.match, methods=["POST"]),
        Route("/distance", service.distance, methods=["POST"]),
        Route("/health", service.health),
    ]
    routes = [
        WebSocketRoute("/v1/webcam", service.webcam),
        WebSocketRoute("/{other:path}", _elsewhere),
        Mount("/v1", routes=routes),
        Route("/openapi.json", service.openapi),
        Mount("/", StaticFiles(directory=PAGE, html=True)),
    ]
    errors: Any = {Refused: _refused, NpFaceApiError: _wrong, HTTPException: _other, Exception: _failed}
    return Starlette(
        routes=routes,
        middleware=[Middleware(Guard, token=settings.token)],
        exception_handlers=errors,
        lifespan=service.life,
    )


def _error(status: int, reason: str) -> JSONResponse:
    return JSONResponse({"error": reason}, status, {"Retry-After": "1"} if status == 429 else None)


async def _refused(_: Request, error: Refused) -> Response:
    return _error(error.status, error.reason)


async def _wrong(_: Request, error: NpFaceApiError) -> Response:
    return _error(413 if isinstance(error, TooManyPixels) else 400, str(error))


def _no_address(path: str) -> str:
    return f"expected an address of the service, see /openapi.json, got {path!r}"


async def _elsewhere(websocket: WebSocket) -> None:
    await websocket.send_denial_response(_error(404, _no_address(websocket.url.path)))


async def _other(request: Request, error: HTTPException) -> Response:
    reasons = {404: _no_address(request.url.path)}
    reasons[405] = f"{request.url.path}: expected another method than {request.method}, see /openapi.json"
    return _error(error.status_code, reasons.get(error.status_code, error.detail))


async def _failed(_: Request, __: Exception) -> Response:
    return _error(500, "expected an answer, got an error of the service, which its console shows")


class _Service:
    def __init__(self, settings: Settings, workers: Workers) -> None:
        self._limits = settings.limits
        self._workers = workers
        self._bodies = Bodies(settings.limits)
        self._people = settings.people
        self._streams = 0
        self._detectors = [name for name, net in DETECTORS.items() if net.is_bundled or settings.weights is not None]

    @contextlib.asynccontextmanager
    async def life(self, _: Starlette) -> AsyncIterator[None]:
        async with self._workers:
            reading = None if self._people is None else asyncio.create_task(self._people.read(self._workers))
            yield
            if reading is not None:
                reading.cancel()

    async def health(self, _: Request) -> Response:
        count, failure = (0, None) if self._people is None else (self._people.count, self._people.failure)
        status = "ready" if self._workers.ready else "starting"
        limits = {"body": self._limits.body, "input_size": self._limits.input_size}
        values = {"status": status, "version": __version__, "workers": self._workers.ready, "waiting": self._workers.waiting}
        return JSONResponse({**values, "detectors": self._detectors, "people": count, "people_error": failure, "limits": limits})

    async def openapi(self, _: Request) -> Response:
        return JSONResponse(description())

    async def analyze(self, request: Request) -> Response:
        async with self._form(request) as form:
            asked = self._question(form.fields)
            found = await self._ask(request, form.photo(), asked)
        return Response(record(found), media_type="application/json")

    async def match(self, request: Request) -> Response:
        async with self._form(request) as form:
            known, distance = form.fields.pop("known", None), _distance(form.fields.pop("distance", None))
            if known is None and self._people is None:
                raise InvalidArgument("known: expected the JSON of a FaceMatcher, or npfaceapi serve --people, got neither")
            matcher = await asyncio.to_thread(self._matcher, known, distance)
            asked = dataclasses.replace(self._question(form.fields), parts=frozenset({"descriptors"}))
            if known is None and self._people is not None:
                made: Any = {"alignment": self._people.alignment, "average_mirror": self._people.average_mirror}
                if made.keys() & form.fields.keys():
                    raise InvalidArgument(
                        "alignment, average_mirror: expected neither without known: the service's people have theirs"
                    )
                asked = dataclasses.replace(asked, **made)
            found = await self._ask(request, form.photo(), asked)
        return JSONResponse(await asyncio.to_thread(_matches, found, matcher, asked))

    def _matcher(self, known: str | None, distance: float | None) -> FaceMatcher:
        if known is None:
            assert self._people is not None
            return self._people.matcher(0.6 if distance is None else distance)
        matcher = FaceMatcher.from_json(known)
        return matcher if distance is None else FaceMatcher(matcher.labeled_descriptors, distance)

    async def distance(self, request: Request) -> Response:
        async with self._form(request) as form:
            if len(form.photos) != 2:
                raise Refused(400, f"expected two photos, as files in a form, got {len(form.photos)}")
            asked = self._question(form.fields)
            asked = dataclasses.replace(asked, parts=asked.parts | {"descriptors"})
            found = await asyncio.gather(*(self._ask(request, photo, asked) for photo in form.photos))
        faces = [_best(name, each) for (name, _), each in zip(form.photos, found, strict=True)]
        distance = euclidean_distance(faces[0][1], faces[1][1])
        values = {"distance": json.dumps(distance), "probability": json.dumps(_probability(distance, asked))}
        values["faces"] = f"[{', '.join(face for face, _ in faces)}]"
        texts = ", ".join(f"{json.dumps(name)}: {text}" for name, text in values.items())
        return Response(f"{{{texts}}}", media_type="application/json")

    async def webcam(self, websocket: WebSocket) -> None:
        if self._streams >= self._limits.streams:
            await websocket.accept()
            await websocket.close(TRY_AGAIN, f"expected at most {self._limits.streams} streams at a time")
            return
        self._streams += 1
        try:
            await Stream(websocket, self._workers, self._question).run()
        finally:
            self._streams -= 1

    def _form(self, request: Request) -> contextlib.AbstractAsyncContextManager[Form]:
        self._workers.check_queue()
        return self._bodies.form(request)

    def _question(self, fields: Mapping[str, str]) -> Question:
        asked = question(fields, self._limits)
        net = detector_of(asked.options)
        if net is not None and net.name not in self._detectors:
            raise InvalidArgument(
                f"detector: expected one out of {', '.join(self._detectors)}, got {net.name}, whose weights are not in the "
                "package: npfaceapi serve --weights DIR"
            )
        return asked

    async def _ask(self, request: Request, photo: tuple[str, bytes], asked: Question) -> Answer:
        """The answer of a worker; a photo whose client leaves does not wait any longer."""
        asking = asyncio.create_task(self._workers.ask(*photo, asked))
        leaving = asyncio.create_task(_left(request))
        await asyncio.wait({asking, leaving}, return_when=asyncio.FIRST_COMPLETED)
        leaving.cancel()
        if not asking.done():
            asking.cancel()
            raise Refused(400, "expected a client that waits, got one that left")
        found: Answer = asking.result()
        return found


async def _left(request: Request) -> None:
    """Return when the client has left; its body is read already."""
    while (await request.receive())["type"] != "http.disconnect":
        pass


def _distance(text: str | None) -> float | None:
    if text is None:
        return None
    try:
        value = float(text)
    except ValueError:
        value = -1
    if not 0 <= value <= 2:
        raise InvalidArgument(f"distance: expected a number in [0, 2], got {text[:100]!r}")
    return value


def _best(name: str, found: Answer) -> tuple[str, Any]:
    """The face with the highest score, and its descriptor."""
    best = found.best()
    if best is None or found.descriptors[best] is None:
        raise InvalidArgument(f"{name[:100]}: expected a photo with a face, got one with none")
    return found.faces[best], found.descriptors[best]


def _probability(distance: float, asked: Question) -> float:
    """That both faces are of one person, with a prior of 1/2."""
    return Calibration.bundled(asked.alignment, asked.average_mirror).probability_same(distance).value


def _matches(found: Answer, matcher: FaceMatcher, asked: Question) -> dict[str, Any]:
    matches = []
    for detection, descriptor in zip(found.detections, found.descriptors, strict=True):
        if descriptor is not None:
            best = matcher.find_best_match(descriptor)
            probability = _probability(best.distance, asked)
            matches.append({"name": best.label, "distance": best.distance, "probability": probability, "detection": detection})
    return {"width": found.width, "height": found.height, "matches": matches, "milliseconds": found.milliseconds}
