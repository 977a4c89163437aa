"""The OpenAPI description of the service."""

from __future__ import annotations

from typing import Any

from npfaceapi._version import __version__
from npfaceapi.faces.alignment import ALIGNMENTS
from npfaceapi.networks.registry import DETECTORS
from npfaceapi.service.questions import FLAGS, OPTIONS, PARTS, options_of

__all__ = ["description"]

_REFUSALS = {
    "400": "A field or a photo that is wrong",
    "401": "No token, or a wrong one",
    "403": "A request of another site's page",
    "408": "A body that came too slowly",
    "413": "A body or a photo that is too large",
    "421": "A Host that is not this machine",
    "429": "Too many photos wait",
    "503": "A photo at which a decoder crashed, known people that are not read, or too many connections",
    "504": "A photo that took too long",
}


def description() -> dict[str, Any]:
    """The description, OpenAPI 3.1."""
    many = {"known": _text("The JSON of a FaceMatcher; default: the people of npfaceapi serve --people")}
    many["distance"] = _text("Largest distance of a known person; default: that of known, or 0.6")
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "npfaceapi serve",
            "version": __version__,
            "description": "The networks of face-api.js. Photos are sent, never named by a path or a URL. "
            "Video frames go over the WebSocket /v1/webcam, whose query has the fields of /v1/analyze.",
        },
        "paths": {
            "/v1/analyze": {"post": _operation("The faces of a photo", {}, "Analysis")},
            "/v1/match": {"post": _operation("Which known people are in a photo", many, "Matches")},
            "/v1/distance": {"post": _operation("How alike the best faces of two photos are", {}, "Distance", photos=2)},
            "/v1/health": {"get": {"summary": "Whether the workers have started", "responses": {"200": _json("Health")}}},
        },
        "components": {
            "schemas": _SCHEMAS,
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
        "security": [{}, {"token": []}],
    }


def _text(what: str, **more: Any) -> dict[str, Any]:
    return {"type": "string", "description": what, **more}


def _fields() -> dict[str, Any]:
    names = list(DETECTORS)
    of = {name: ", ".join(each for each in names if name in options_of(each)) for name in OPTIONS}
    return {
        "parts": _text(f"What to compute: some of {','.join(PARTS)}; default: all"),
        "detector": _text("The detector", enum=[*names, *(net.called for net in DETECTORS.values() if net.called not in names)]),
        **{name: _text(f"An option of {of[name]}") for name in OPTIONS},
        **{name: _text("Default: false", enum=["true", "false"]) for name in FLAGS},
        "alignment": _text("How faces are cut out for descriptors; default: face-api", enum=list(ALIGNMENTS)),
    }


def _operation(summary: str, own: dict[str, Any], schema: str, photos: int = 1) -> dict[str, Any]:
    fields = {**own, **_fields()}
    files = {
        f"photo{number}" if photos > 1 else "photo": {"type": "string", "format": "binary"} for number in range(1, photos + 1)
    }
    content: dict[str, Any] = {
        "multipart/form-data": {"schema": {"type": "object", "properties": {**files, **fields}, "required": list(files)}}
    }
    if photos == 1:
        content["image/*"] = {"schema": {"type": "string", "format": "binary"}}
    refusals = {status: {"description": what, **_json("Error")} for status, what in _REFUSALS.items()}
    query = [
        {"name": name, "in": "query", "description": field["description"], "schema": field} for name, field in fields.items()
    ]
    return {
        "summary": summary,
        "parameters": query,
        "requestBody": {"required": True, "content": content},
        "responses": {"200": _json(schema), **refusals},
    }


def _json(schema: str) -> dict[str, Any]:
    return {"description": schema, "content": {"application/json": {"schema": {"$ref": f"#/components/schemas/{schema}"}}}}


def _object(**properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": list(properties)}


def _list(items: dict[str, Any]) -> dict[str, Any]:
    return {"type": "array", "items": items}


def _ref(name: str) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{name}"}


_NUMBER, _INTEGER, _STRING = {"type": "number"}, {"type": "integer"}, {"type": "string"}
_OR_NULL = {"type": ["number", "null"]}
_TIMES = _object(decode=_NUMBER, analyze=_NUMBER)
_SCHEMAS: dict[str, Any] = {
    "Error": _object(error=_STRING),
    "Health": _object(
        status={"enum": ["starting", "ready"]},
        version=_STRING,
        workers=_INTEGER,
        waiting=_INTEGER,
        detectors=_list(_STRING),
        people=_INTEGER,
        people_error={"type": ["string", "null"], "description": "Why the people of --people are not known"},
        limits=_object(body=_INTEGER, input_size=_INTEGER),
    ),
    "Box": _object(x=_NUMBER, y=_NUMBER, width=_NUMBER, height=_NUMBER),
    "Detection": _object(score=_NUMBER, box=_ref("Box"), relative_box=_ref("Box"), image_width=_NUMBER, image_height=_NUMBER),
    "Face": _object(
        detection=_ref("Detection"),
        landmarks={"oneOf": [_list(_list(_NUMBER)), {"type": "null"}]},
        unshifted_landmarks={"oneOf": [_list(_list(_NUMBER)), {"type": "null"}]},
        aligned_rect={"oneOf": [_ref("Detection"), {"type": "null"}]},
        descriptor={"oneOf": [_list(_NUMBER), {"type": "null"}]},
        expressions={"type": ["object", "null"], "additionalProperties": _NUMBER},
        age=_OR_NULL,
        gender={"enum": ["female", "male", None]},
        gender_probability=_OR_NULL,
    ),
    "Analysis": _object(width=_INTEGER, height=_INTEGER, rotation=_INTEGER, faces=_list(_ref("Face")), milliseconds=_TIMES),
    "Match": _object(name=_STRING, distance=_NUMBER, probability=_NUMBER, detection=_ref("Detection")),
    "Matches": _object(width=_INTEGER, height=_INTEGER, matches=_list(_ref("Match")), milliseconds=_TIMES),
    "Distance": _object(distance=_NUMBER, probability=_NUMBER, faces=_list(_ref("Face"))),
}
