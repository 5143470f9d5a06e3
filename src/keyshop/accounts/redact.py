"""Remove a customer's e-mail address and name from what payment services wrote."""

import re
from decimal import Decimal
from typing import Any, Final

import msgspec

ERASED: Final = "[erased]"

# Of a payment service's own fields; what they hold may differ from what the account says.
_is_personal: Final = re.compile("mail|name|holder|phone|address", re.IGNORECASE).search
_EMAIL: Final = re.compile(r"""[^\s@<>"',;:()]+@[^\s@<>"',;:()]+""")

# Amounts keep their digits.
_DECODER: Final = msgspec.json.Decoder(float_hook=Decimal)
_ENCODER: Final = msgspec.json.Encoder(decimal_format="number")


def redact_text(text: str, names: list[str]) -> str:
    """Return the text without e-mail addresses and these names, in any case of letters."""
    text = _EMAIL.sub(ERASED, text)
    for name in names:
        text = re.sub(rf"(?<!\w){re.escape(name)}(?!\w)", ERASED, text, flags=re.IGNORECASE)
    return text


def redact_json(document: str, names: list[str]) -> str:
    """
    Return the JSON document without them, and without the values of fields for such data.

    A document that is nested too deeply to be read is removed as a whole.
    """
    try:
        before = _DECODER.decode(document)
        after = _redact(before, names)
        return document if after == before else _ENCODER.encode(after).decode()
    except RecursionError:
        return _ENCODER.encode(ERASED).decode()


def _redact(value: Any, names: list[str], *, is_personal: bool = False) -> Any:
    if isinstance(value, dict):
        return {
            redact_text(key, names): _redact(
                field, names, is_personal=is_personal or _is_personal(key) is not None
            )
            for key, field in value.items()
        }
    if isinstance(value, list):
        return [_redact(item, names, is_personal=is_personal) for item in value]
    if value is None or isinstance(value, bool):
        return value
    if is_personal:
        return ERASED
    return redact_text(value, names) if isinstance(value, str) else value
