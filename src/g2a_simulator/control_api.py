"""The simulator's own address, `/_simulator/`: look at the market and change it while it runs."""

from collections.abc import Callable
from urllib.parse import urlsplit

import msgspec

from g2a_simulator import control_calls as calls
from g2a_simulator.errors import NoSuchOrder, NoSuchProduct, Unusable
from g2a_simulator.market import Market
from g2a_simulator.messages import HTML, Reply, Request
from g2a_simulator.start_page import start_page
from g2a_simulator.web_forms import from_form

_JSON = msgspec.json.Encoder(decimal_format="number")

_CALLS: dict[tuple[str, str], Callable[[Market, calls.Asked], object]] = {
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
# What a page's buttons can do; a form knows no PATCH, PUT and DELETE.
_BUTTONS: dict[str, Callable[[Market, calls.Asked], object]] = {
    "product": calls.change_named_product,
    "wallet": calls.top_up,
    "fault": calls.add_fault,
    "clear-faults": calls.clear_faults,
    "settings": calls.change_settings,
}


class ControlApi:
    """Answers those who run the simulator."""

    def __init__(self, market: Market) -> None:
        self._market = market

    def is_meant(self, request: Request) -> bool:
        """Test whether a request is for the simulator rather than for the supplier it plays."""
        return request.path == "/" or f"{request.path}/".startswith("/_simulator/")

    def answer(self, request: Request) -> Reply:
        """Answer a request; what makes no sense is refused with a sentence."""
        if request.path == "/":
            return Reply(200, start_page(self._market), content_type=HTML)
        if _is_foreign(request):
            return _refused(403, "Another site's page may not change the simulator.")
        try:
            return self._carry_out(request)
        except (NoSuchOrder, NoSuchProduct) as error:
            return _refused(404, str(error))
        except Unusable as error:
            return _refused(400, str(error))
        finally:
            self._market.save()

    def _carry_out(self, request: Request) -> Reply:
        path = request.path.removeprefix("/_simulator").strip("/")
        if path.startswith("forms/"):
            return self._press(path.removeprefix("forms/"), request)
        parts = path.split("/")
        pattern = "/".join("*" if place == 1 else part for place, part in enumerate(parts))
        call = _CALLS.get((request.method, pattern))
        if call is None:
            return _refused(404, f"The simulator has no {request.method} /_simulator/{path}.")
        subject = parts[1] if len(parts) > 1 else ""
        asked = calls.Asked(subject, calls.read_query(request.query), _read_json(request))
        return Reply(200, _JSON.encode(call(self._market, asked)))

    def _press(self, name: str, request: Request) -> Reply:
        """Do what a button of the start page says, and show the page again."""
        button = _BUTTONS.get(name)
        if button is None or request.method != "POST":
            return _refused(404, f"The start page has no form {name}.")
        button(self._market, calls.Asked("", {}, from_form(request.body)))
        return Reply(303, headers=((b"location", b"/"),))


def _read_json(request: Request) -> dict[str, object]:
    """
    Read the body as an object; an empty one is an empty object.

    Raises:
        Unusable: it is anything else.
    """
    if not request.body:
        return {}
    try:
        return msgspec.json.decode(request.body, type=dict[str, object])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Unusable("The body must be a JSON object.") from error


def _is_foreign(request: Request) -> bool:
    """Test whether a page of another site sent this; a browser names the page's site."""
    origin = request.headers.get(b"origin")
    if origin is None or request.method == "GET":
        return False
    return urlsplit(origin.decode("latin-1")).netloc != request.headers.get(b"host", b"").decode(
        "latin-1"
    )


def _refused(status: int, sentence: str) -> Reply:
    return Reply(status, msgspec.json.encode({"error": sentence}))
