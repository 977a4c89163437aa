"""Answers as JSON texts."""

from __future__ import annotations

import json

from npfaceapi.service.answering import Answer

__all__ = ["record"]


def record(answer: Answer, **more: str) -> str:
    """The JSON of an answer; `more` are further values, as JSON texts."""
    values = {
        "width": str(answer.width),
        "height": str(answer.height),
        "rotation": str(answer.rotation),
        "faces": f"[{', '.join(answer.faces)}]",
        "milliseconds": json.dumps(answer.milliseconds),
        **more,
    }
    return f"{{{', '.join(f'{json.dumps(name)}: {text}' for name, text in values.items())}}}"
