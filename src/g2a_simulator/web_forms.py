"""Values from a form of the start page, which are all text, as the control API takes them."""

from urllib.parse import parse_qsl

import msgspec

from g2a_simulator.edits import Fields

_TEXTS = {"id", "name", "endpoint", "kind"}


def from_form(body: bytes) -> Fields:
    """Return the filled-in values; what reads as a number, true, false or null becomes one."""
    pairs = parse_qsl(body.decode("utf-8", "replace"))
    return {name: value if name in _TEXTS else _value(value.strip()) for name, value in pairs}


def _value(text: str) -> object:
    try:
        value: object = msgspec.json.decode(text)
    except msgspec.DecodeError:
        return text
    return text if isinstance(value, str | list | dict) else value
