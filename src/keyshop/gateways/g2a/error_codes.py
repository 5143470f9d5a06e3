"""
Which family of `supplier.errors` each refusal of G2A belongs to.

The question is always the same: can something have happened at G2A that this answer hides?
For the calls that change nothing it cannot, so for them "unknown" becomes "unavailable".
"""

import re
from typing import Final

from keyshop.gateways.g2a.calls import Call
from keyshop.gateways.g2a.credentials import G2ACredentials
from keyshop.gateways.g2a.values import clean_text
from keyshop.gateways.g2a.wire import ErrorWire, Unreadable, decode
from keyshop.supplier.errors import (
    OutcomeUnknown,
    SupplierError,
    SupplierRefused,
    SupplierUnavailable,
)

_Family = type[SupplierError]

# One code goes by two spellings.
_SPELLINGS: Final = {"ORD004": "ORD04"}

_CODES: Final[dict[str, tuple[_Family, str]]] = {
    # The request got no further than the door.
    "AUTH01": (SupplierRefused, "The call carried no credentials."),
    "AUTH02": (SupplierRefused, "The credentials are wrong: check client id, e-mail and secret."),
    "AUTH03": (SupplierRefused, "This machine's address is not on the account's list."),
    "AUTH04": (SupplierRefused, "The account may not make this call."),
    "CTTYPE": (SupplierRefused, "The content type of the call is not accepted."),
    "BR01": (SupplierRefused, "The body of the call is not accepted as JSON."),
    "BR02": (SupplierRefused, "The content of the call is not accepted."),
    "BR03": (SupplierUnavailable, "Too many calls in a minute."),
    "BR04": (SupplierRefused, "The product's id is not accepted."),
    "BR08": (SupplierRefused, "The parameters of the call are not accepted."),
    "WRONGURL": (SupplierRefused, "There is no such address: check the API's base address."),
    "PR01": (SupplierRefused, "The product's id is not accepted."),
    "PR02": (SupplierRefused, "The page number is not accepted."),
    "PR03": (SupplierRefused, "The least quantity is not accepted."),
    "PR04": (SupplierRefused, "The lower bound of the price is not accepted."),
    "PR05": (SupplierRefused, "The upper bound of the price is not accepted."),
    "ORD01": (SupplierRefused, "The order's id is not accepted."),
    "ORD02": (SupplierRefused, "The order is not known."),
    # Not yet: the same call may succeed in a moment, and this one did nothing.
    "ORD03": (SupplierUnavailable, "The order is not ready to be paid yet."),
    # Asked for a key: not paid, or paid and not processed; the key was not handed out.
    # Asked to pay: nothing was charged, and the same order may be paid again.
    "ORD05": (SupplierUnavailable, "The order is not paid, or not processed yet."),
    "ORD06": (SupplierUnavailable, "The order is not processed yet."),
    # Somebody has had the key; asking again will never bring it.
    "ORD04": (SupplierRefused, "The key was handed out before."),
    # These three speak of a payment that went wrong half-way. G2A does not say whether the
    # money moved, so the order's details must be asked before anything is paid again.
    "ORD110": (OutcomeUnknown, "The payment could not be processed."),
    "ORD111": (OutcomeUnknown, "The payment's details were not found."),
    "ORD120": (OutcomeUnknown, "The payment provider gave a wrong answer."),
    # Always a 502: behind the gateway the payment may have gone through.
    "ORD122": (OutcomeUnknown, "The payment provider could not be reached."),
    # Clear refusals, before any money moved.
    "ORD112": (SupplierRefused, "The wallet has too little money."),
    "ORD113": (SupplierRefused, "The account has no wallet."),
    "ORD114": (SupplierRefused, "The order was held for 30 minutes and has lapsed."),
    "ORD121": (SupplierRefused, "The wallet's limit is reached: G2A's support can lift it."),
    "API00": (OutcomeUnknown, "G2A failed."),
    "ERR99": (OutcomeUnknown, "G2A failed."),
}

# A refusal without a readable code, as proxies and gateways write them.
_STATUSES: Final[dict[int, str]] = {401: "AUTH02", 402: "ORD05", 429: "BR03"}

# A gateway that gave up waiting may have passed the call on; so may one that asks to try later.
_DOUBTFUL: Final = frozenset({408, 425, 499})

_CODE: Final = re.compile(r"[A-Z]{2,10}[0-9]{0,5}", re.ASCII)


def refusal(call: Call, status: int, body: bytes, *, credentials: G2ACredentials) -> SupplierError:
    """Return the error that an answer other than 2xx stands for."""
    code, message = _read_error(body)
    if status >= 500 or status in _DOUBTFUL:
        return broken(call, f"it answered {status}", code=code)
    code = code or _STATUSES.get(status)
    if code in _CODES:
        family, sentence = _CODES[code]
        return _build(call, family, f"{sentence} ({code}, status {status})", code=code)
    if code is not None:
        # The refusals of an order are not published; each of them is one all the same.
        known = message and not credentials.appear_in(message)
        words = f' saying "{message}"' if known else ""
        return _build(call, SupplierRefused, f"It refused{words} ({code}, {status}).", code=code)
    if call.changes or status < 400:
        return broken(call, f"it answered {status} without G2A's error code", code=None)
    return _build(
        call, SupplierRefused, f"It answered {status} without G2A's error code.", code=None
    )


def unreachable(call: Call, problem: str) -> SupplierUnavailable:
    """Return the error of a call that never left, so that nothing can have happened."""
    return SupplierUnavailable(f"G2A cannot be reached ({call.endpoint}): {problem}.")


def broken(call: Call, problem: str, *, code: str | None = None) -> SupplierError:
    """Return the error of a call that left and whose answer cannot be used."""
    return _build(call, OutcomeUnknown, f"No usable answer: {problem}.", code=code)


def _build(call: Call, family: _Family, sentence: str, *, code: str | None) -> SupplierError:
    if family is OutcomeUnknown and not call.changes:
        family = SupplierUnavailable
    return family(f"G2A, {call.endpoint}: {sentence}", code=code)


def _read_error(body: bytes) -> tuple[str | None, str]:
    try:
        error = decode(ErrorWire, body)
    except Unreadable:
        return None, ""
    code = clean_text(error.code, limit=20).upper()
    message = " ".join(clean_text(error.message, limit=200).split())
    if not _CODE.fullmatch(code):
        return None, message
    return _SPELLINGS.get(code, code), message
