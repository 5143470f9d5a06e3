"""The buyer API: from a request to a reply, faults included."""

from g2a_simulator.buyer_calls import perform_call
from g2a_simulator.errors import CODES, Refusal
from g2a_simulator.faults import REPLACING, Endpoint, Fault
from g2a_simulator.ledger import LedgerEntry
from g2a_simulator.market import Market
from g2a_simulator.messages import DelayedReply, Delivery, Reply, Request

_ROUTES: dict[tuple[str, tuple[str, ...]], Endpoint] = {
    ("GET", ("v1", "products")): "products",
    ("POST", ("v1", "order")): "order",
    ("PUT", ("v1", "order", "pay")): "pay",
    ("GET", ("v1", "order", "details")): "details",
    ("GET", ("v1", "order", "key")): "key",
}
_NEEDS_ORDER = {"pay", "details", "key"}
_CODE_OF_FAULT = {"server_error": "ERR99", "internal_failure": "API00", "rate_limited": "BR03"}
_GARBAGE = b'{"status": <br /><b>Warning</b>: unexpected output'


def refused(refusal: Refusal, *, headers: tuple[tuple[bytes, bytes], ...] = ()) -> Reply:
    """Return a refusal in the format of the supplier."""
    body = b'{"status":"ERROR","message":"%s","code":"%s"}'
    text = refusal.message.replace("\\", "").replace('"', "'")
    return Reply(refusal.status, body % (text.encode(), refusal.code.encode()), headers=headers)


def route(method: str, path: str) -> tuple[Endpoint | None, str]:
    """Return the endpoint, or None, and the order id of a path; double slashes are ignored."""
    parts = tuple(part for part in path.split("/") if part)
    endpoint = _ROUTES.get((method, parts))
    if endpoint is not None and endpoint not in _NEEDS_ORDER:
        return endpoint, ""
    endpoint = _ROUTES.get((method, parts[:-1]))
    if endpoint is not None and endpoint in _NEEDS_ORDER:
        return endpoint, parts[-1]
    return None, ""


class BuyerApi:
    def __init__(self, market: Market) -> None:
        self._market = market

    def answer(self, request: Request) -> Reply | DelayedReply:
        """Answer a call, now or later, and record it in the ledger."""
        market = self._market
        market.ledger.count_arrival(market.clock().timestamp())
        market.catch_up()
        endpoint, order_id = route(request.method, request.path)
        if endpoint is None:
            return self._record(request, "other", refused(Refusal("WRONGURL")))
        try:
            self._admit(request)
        except Refusal as refusal:
            return self._record(request, endpoint, refused(refusal))
        return self._answer_admitted(request, endpoint, order_id)

    def _answer_admitted(
        self, request: Request, endpoint: Endpoint, order_id: str
    ) -> Reply | DelayedReply:
        fault = self._market.faults.draw(endpoint)
        seconds = self._market.settings.latency_ms / 1000
        if fault is not None and fault.kind == "slow":
            seconds += fault.seconds

        def make(is_connected: bool = True) -> Reply:
            # Sending a key uses it up, so it is not sent to a client that has disconnected.
            reply = (
                self._perform(request, endpoint, order_id, fault) if is_connected else _DISCONNECTED
            )
            return self._record(request, endpoint, reply, fault)

        if not seconds:
            return make()
        if endpoint == "key":
            return DelayedReply(seconds, make)
        # Orders and payments take effect even if the client disconnects before the answer.
        reply = make()
        return DelayedReply(seconds, lambda _is_connected: reply)

    def _admit(self, request: Request) -> None:
        """
        Check the credentials and the rate limit.

        Raises:
            Refusal: AUTH01, AUTH02 or BR03, in this order.
        """
        market = self._market
        header = request.headers.get(b"authorization")
        if header is None:
            raise Refusal("AUTH01")
        if header.decode("latin-1") != market.credentials.header:
            raise Refusal("AUTH02")
        limit = market.settings.requests_per_minute
        if not market.limit.admit(market.clock().timestamp(), limit=limit):
            raise Refusal("BR03")

    def _perform(
        self, request: Request, endpoint: Endpoint, order_id: str, fault: Fault | None
    ) -> Reply:
        replacement = None if fault is None else _find_replacement(fault)
        if fault is not None and replacement is not None and not fault.after_effect:
            return replacement
        try:
            reply = perform_call(self._market, request, endpoint, order_id, fault)
        except Refusal as refusal:
            reply = refused(refusal)
        self._market.save()
        return replacement or _distort(reply, fault)

    def _record(
        self, request: Request, endpoint: str, reply: Reply, fault: Fault | None = None
    ) -> Reply:
        lost = reply.delivery in {Delivery.CLOSED, Delivery.RESET, Delivery.NEVER}
        self._market.ledger.record(
            LedgerEntry(
                at=self._market.clock(),
                endpoint=endpoint,
                method=request.method,
                target=f"{request.path}?{request.query}" if request.query else request.path,
                status=None if lost else reply.status,
                fault=None if fault is None else fault.kind,
            )
        )
        return reply


_DISCONNECTED = Reply(200, delivery=Delivery.CLOSED)


def _find_replacement(fault: Fault) -> Reply | None:
    """Return the reply that replaces the true one, or None."""
    if fault.kind == "bad_gateway":
        return Reply(502)
    if fault.kind == "reset":
        return Reply(200, delivery=Delivery.RESET)
    if fault.kind == "hang":
        return Reply(200, delivery=Delivery.NEVER)
    if fault.kind not in REPLACING and fault.kind not in CODES:
        return None
    headers: tuple[tuple[bytes, bytes], ...] = ()
    if fault.retry_after is not None:
        headers = ((b"retry-after", b"%d" % fault.retry_after),)
    return refused(Refusal(_CODE_OF_FAULT.get(fault.kind, fault.kind)), headers=headers)


def _distort(reply: Reply, fault: Fault | None) -> Reply:
    """Return the true reply as the fault changes it."""
    kind = None if fault is None else fault.kind
    if kind == "garbage":
        return Reply(200, _GARBAGE)
    if kind == "cut_body":
        return Reply(reply.status, reply.body, delivery=Delivery.TRUNCATED)
    if kind == "lost_answer":
        return Reply(reply.status, delivery=Delivery.CLOSED)
    return reply
