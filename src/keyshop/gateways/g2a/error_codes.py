"""
The supplier error for each error code and status of G2A.

An error is `OutcomeUnknown` when the answer may hide an effect at G2A, such as a payment. A call
without an effect hides nothing, so for it "unknown" becomes "unavailable".
"""

import re
from typing import Final

from keyshop.gateways.g2a.calls import Call
from keyshop.gateways.g2a.credentials import G2ACredentials
from keyshop.gateways.g2a.values import clean_text
from keyshop.gateways.g2a.wire import ErrorWire, MalformedResponse, decode
from keyshop.supplier.errors import (
    OutcomeUnknown,
    SupplierError,
    SupplierRefused,
    SupplierUnavailable,
)

_ErrorType = type[SupplierError]

# G2A documents this code in two spellings.
_SPELLINGS: Final = {"ORD004": "ORD04"}

_CODES: Final[dict[str, tuple[_ErrorType, str]]] = {
    # Refused before the request was processed.
    "AUTH01": (SupplierRefused, "The call carried no credentials."),
    "AUTH02": (SupplierRefused, "The credentials are wrong: check client id, e-mail and secret."),
    "AUTH03": (SupplierRefused, "This machine's IP address is not on the account's list."),
    "AUTH04": (SupplierRefused, "The account may not make this call."),
    "CTTYPE": (SupplierRefused, "The content type of the call is not accepted."),
    "BR01": (SupplierRefused, "The body of the call is not accepted as JSON."),
    "BR02": (SupplierRefused, "The content of the call is not accepted."),
    "BR03": (SupplierUnavailable, "Too many calls in a minute."),
    "BR04": (SupplierRefused, "The product's id is not accepted."),
    "BR08": (SupplierRefused, "The parameters of the call are not accepted."),
    "WRONGURL": (SupplierRefused, "The URL does not exist: check the base address of the API."),
    "PR01": (SupplierRefused, "The product's id is not accepted."),
    "PR02": (SupplierRefused, "The page number is not accepted."),
    "PR03": (SupplierRefused, "The minimum quantity is not accepted."),
    "PR04": (SupplierRefused, "The lower bound of the price is not accepted."),
    "PR05": (SupplierRefused, "The upper bound of the price is not accepted."),
    "ORD01": (SupplierRefused, "The order's id is not accepted."),
    "ORD02": (SupplierRefused, "The order does not exist."),
    # Too early: this call did nothing, and the same call may succeed soon.
    "ORD03": (SupplierUnavailable, "The order is not ready to be paid yet."),
    # When a key is fetched: the order is unpaid or unprocessed, and the key was not handed out.
    # When an order is paid: nothing was charged, and the order may be paid again.
    "ORD05": (SupplierUnavailable, "The order is not paid or not processed yet."),
    "ORD06": (SupplierUnavailable, "The order is not processed yet."),
    # The key cannot be fetched again.
    "ORD04": (SupplierRefused, "The key was already handed out."),
    # These three mean that a payment failed half-way. G2A does not say whether money moved, so
    # the order's details must be read before anything is paid again.
    "ORD110": (OutcomeUnknown, "The payment could not be processed."),
    "ORD111": (OutcomeUnknown, "The details of the payment were not found."),
    "ORD120": (OutcomeUnknown, "The payment provider gave a wrong answer."),
    # Always a 502: behind the gateway, the payment may have succeeded.
    "ORD122": (OutcomeUnknown, "The payment provider could not be reached."),
    # Refused before any money moved.
    "ORD112": (SupplierRefused, "The wallet has too little money."),
    "ORD113": (SupplierRefused, "The account has no wallet."),
    "ORD114": (SupplierRefused, "The order was held for 30 minutes and has expired."),
    "ORD121": (SupplierRefused, "The wallet's limit is reached: G2A's support can lift it."),
    "API00": (OutcomeUnknown, "G2A reported an internal error."),
    "ERR99": (OutcomeUnknown, "G2A reported an internal error."),
}

# For refusals without a readable code, as proxies and gateways send them.
_STATUSES: Final[dict[int, str]] = {401: "AUTH02", 402: "ORD05", 429: "BR03"}

# A gateway that timed out, or that asks to try later, may have passed the call on.
_MAY_HAVE_EFFECT: Final = frozenset({408, 425, 499})

_CODE: Final = re.compile(r"[A-Z]{2,10}[0-9]{0,5}", re.ASCII)


def response_error(
    call: Call, status: int, body: bytes, *, credentials: G2ACredentials
) -> SupplierError:
    """Return the error for an answer with a status other than 2xx."""
    code, message = _read_error(body)
    if status >= 500 or status in _MAY_HAVE_EFFECT:
        return lost_answer_error(call, f"the status was {status}", code=code)
    code = code or _STATUSES.get(status)
    if code in _CODES:
        error_type, sentence = _CODES[code]
        return _build(call, error_type, f"{sentence} ({code}, status {status})", code=code)
    if code is not None:
        # The codes for refused orders are not documented; every unknown code is a refusal.
        quoted = f': "{message}"' if message and not credentials.appear_in(message) else ""
        sentence = f"The call was refused{quoted} ({code}, status {status})."
        return _build(call, SupplierRefused, sentence, code=code)
    if call.has_effect or status < 400:
        return lost_answer_error(call, f"the status was {status}, without an error code of G2A")
    return _build(
        call, SupplierRefused, f"The status was {status}, without an error code of G2A.", code=None
    )


def unreachable_error(call: Call, problem: str) -> SupplierUnavailable:
    """Return the error for a call that was never sent, so that nothing can have happened."""
    return SupplierUnavailable(f"G2A cannot be reached ({call.endpoint}): {problem}.")


def lost_answer_error(call: Call, problem: str, *, code: str | None = None) -> SupplierError:
    """Return the error for a call that was sent and whose answer cannot be used."""
    return _build(call, OutcomeUnknown, f"No usable answer: {problem}.", code=code)


def _build(call: Call, error_type: _ErrorType, sentence: str, *, code: str | None) -> SupplierError:
    if error_type is OutcomeUnknown and not call.has_effect:
        error_type = SupplierUnavailable
    return error_type(f"G2A, {call.endpoint}: {sentence}", code=code)


def _read_error(body: bytes) -> tuple[str | None, str]:
    try:
        error = decode(ErrorWire, body)
    except MalformedResponse:
        return None, ""
    code = clean_text(error.code, limit=20).upper()
    message = " ".join(clean_text(error.message, limit=200).split())
    if not _CODE.fullmatch(code):
        return None, message
    return _SPELLINGS.get(code, code), message
