"""Reading JSON text: what `JSON.parse` accepts, except what is ambiguous."""

from __future__ import annotations

from typing import Any

import pytest

from npfaceapi.reading.json_text import read_json


@pytest.mark.parametrize(
    ("text", "value"),
    [
        (' {"a": [1, -2.5e-3, true, null, "é\\n\\u00e9"]} ', {"a": [1, -0.0025, True, None, "é\né"]}),
        ("12345678901234567890", 12345678901234567890),
        ("1e308", 1e308),
        ('"\\ud83d\\ude00"', "😀"),
        ('"\\ud800"', "\ud800"),
        ("1e-999", 0.0),
    ],
)
def test_values(text: str, value: Any) -> None:
    assert read_json(text) == value
    for encoding in ("utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-32"):
        assert read_json(text.encode(encoding)) == value
    assert read_json(bytearray(text.encode())) == value


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "Expecting value"),
        ("[1,]", "(?i)value|comma"),
        ("[1] 2", "Extra data"),
        ("'a'", "Expecting value"),
        ('{"a": 1, "b": [{"c": 1, "d": 2, "c": 3}]}', "the key 'c' twice in an object"),
        ("NaN", "'NaN', which is not a finite float64 number"),
        ("[-Infinity]", "'-Infinity', which is not a finite float64 number"),
        ("1e309", "'1e309', which is not a finite float64 number"),
        ("-1e999999", "not a finite float64 number"),
        ("9" * 309, "not a finite float64 number"),
        ("9" * 5000, "not a finite float64 number"),
        ("-" + "9" * 5000, "not a finite float64 number"),
        ("9" * 5000 + ".5", "not a finite float64 number"),
        ("[" * 100_000, "nested too deeply"),
        ('{"a":' * 100_000, "nested too deeply"),
        ("[" * 100_000 + "]" * 100_000, "nested too deeply"),
        (b'"\xff"', "decode"),
        (b'"\xed\xa0\x80"', "decode"),  # half of a pair, which UTF-8 has not
        ('"\n"', "control character"),
    ],
)
def test_refused(text: str | bytes, reason: str) -> None:
    with pytest.raises(ValueError, match=reason) as error:
        read_json(text)
    assert len(str(error.value)) < 300


def test_a_repeated_key_is_found_quickly() -> None:
    keys = ",".join(f'"{i}":0' for i in range(100_000))
    with pytest.raises(ValueError, match="the key '7' twice"):
        read_json(f'{{{keys},"7":1}}')
