"""Convert a form of the start page to values for the control API."""

from urllib.parse import parse_qsl

import msgspec

from g2a_simulator.edits import Fields

_TEXTS = {"id", "name", "endpoint", "kind"}


def parse_form(body: bytes) -> Fields:
    """Return the filled-in values. A number, true, false or null is converted, unless it is a text."""
    pairs = parse_qsl(body.decode("utf-8", "replace"))
    return {name: value if name in _TEXTS else _value(value.strip()) for name, value in pairs}


def _value(text: str) -> object:
    try:
        value: object = msgspec.json.decode(text)
    except msgspec.DecodeError:
        return text
    return text if isinstance(value, str | list | dict) else value
