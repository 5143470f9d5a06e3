"""The control API below `/_simulator/`: read the market, and change it while it runs."""

from collections.abc import Callable
from urllib.parse import urlsplit

import msgspec

from g2a_simulator import control_calls as calls
from g2a_simulator.control_requests import ControlRequest, read_query
from g2a_simulator.errors import InvalidCommand, NoSuchOrder, NoSuchProduct
from g2a_simulator.market import Market
from g2a_simulator.messages import HTML, Reply, Request
from g2a_simulator.parse_form import parse_form
from g2a_simulator.start_page import start_page

_JSON = msgspec.json.Encoder(decimal_format="number")

_CALLS: dict[tuple[str, str], Callable[[Market, ControlRequest], object]] = {
    ("GET", ""): calls.show_summary,
    ("GET", "products"): calls.list_products,
    ("POST", "products"): calls.add_product,
    ("GET", "products/*"): calls.show_product,
    ("PATCH", "products/*"): calls.change_product,
    ("DELETE", "products/*"): calls.remove_product,
    ("PUT", "products/*/override"): calls.override_product,
    ("GET", "orders"): calls.list_orders,
    ("GET", "orders/*"): calls.show_order,
    ("PATCH", "orders/*"): calls.change_order,
    ("GET", "wallet"): calls.show_wallet,
    ("POST", "wallet"): calls.top_up,
    ("GET", "faults"): calls.list_faults,
    ("POST", "faults"): calls.add_fault,
    ("DELETE", "faults"): calls.clear_faults,
    ("GET", "ledger"): calls.show_ledger,
    ("DELETE", "ledger"): calls.clear_ledger,
    ("GET", "settings"): calls.show_settings,
    ("PATCH", "settings"): calls.change_settings,
}
# The forms of the start page; a form cannot send PATCH, PUT and DELETE.
_FORMS: dict[str, Callable[[Market, ControlRequest], object]] = {
    "product": calls.change_named_product,
    "wallet": calls.top_up,
    "fault": calls.add_fault,
    "clear-faults": calls.clear_faults,
    "settings": calls.change_settings,
}


class ControlApi:
    def __init__(self, market: Market) -> None:
        self._market = market

    def handles(self, request: Request) -> bool:
        """Test whether a request is for the simulator itself, not for the simulated supplier."""
        return request.path == "/" or f"{request.path}/".startswith("/_simulator/")

    def answer(self, request: Request) -> Reply:
        """Answer a request; an invalid one is refused with a sentence."""
        if request.path == "/":
            return Reply(200, start_page(self._market), content_type=HTML)
        if _is_cross_site(request):
            return _refused(403, "A page of another site must not change the simulator.")
        try:
            return self._perform(request)
        except (NoSuchOrder, NoSuchProduct) as error:
            return _refused(404, str(error))
        except InvalidCommand as error:
            return _refused(400, str(error))
        finally:
            self._market.save()

    def _perform(self, request: Request) -> Reply:
        path = request.path.removeprefix("/_simulator").strip("/")
        if path.startswith("forms/"):
            return self._submit_form(path.removeprefix("forms/"), request)
        parts = path.split("/")
        pattern = "/".join("*" if place == 1 else part for place, part in enumerate(parts))
        call = _CALLS.get((request.method, pattern))
        if call is None:
            return _refused(404, f"The simulator has no {request.method} /_simulator/{path}.")
        path_id = parts[1] if len(parts) > 1 else ""
        control = ControlRequest(path_id, read_query(request.query), _read_json(request))
        return Reply(200, _JSON.encode(call(self._market, control)))

    def _submit_form(self, name: str, request: Request) -> Reply:
        """Perform the call of a form, and redirect to the start page."""
        call = _FORMS.get(name)
        if call is None or request.method != "POST":
            return _refused(404, f"The start page has no form {name}.")
        call(self._market, ControlRequest("", {}, parse_form(request.body)))
        return Reply(303, headers=((b"location", b"/"),))


def _read_json(request: Request) -> dict[str, object]:
    """
    Return the body as a JSON object; no body is an empty object.

    Raises:
        InvalidCommand: the body is anything else.
    """
    if not request.body:
        return {}
    try:
        return msgspec.json.decode(request.body, type=dict[str, object])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InvalidCommand("The body must be a JSON object.") from error


def _is_cross_site(request: Request) -> bool:
    """Test whether a page of another site sent the request; browsers name the site in Origin."""
    origin = request.headers.get(b"origin")
    if origin is None or request.method == "GET":
        return False
    return urlsplit(origin.decode("latin-1")).netloc != request.headers.get(b"host", b"").decode(
        "latin-1"
    )


def _refused(status: int, sentence: str) -> Reply:
    return Reply(status, msgspec.json.encode({"error": sentence}))
