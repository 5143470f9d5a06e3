"""The buyer's API: from a request to a reply, faults included."""

from g2a_simulator.buyer_calls import do
from g2a_simulator.errors import CODES, Refusal
from g2a_simulator.faults import REPLACING, Endpoint, Fault
from g2a_simulator.ledger import Call
from g2a_simulator.market import Market
from g2a_simulator.messages import Ending, Later, Reply, Request

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
    """Return a refusal as the supplier writes it."""
    body = b'{"status":"ERROR","message":"%s","code":"%s"}'
    text = refusal.message.replace("\\", "").replace('"', "'")
    return Reply(refusal.status, body % (text.encode(), refusal.code.encode()), headers=headers)


def route(method: str, path: str) -> tuple[Endpoint | None, str]:
    """Return the endpoint and the order id of an address, or None; doubled slashes are tolerated."""
    parts = tuple(part for part in path.split("/") if part)
    endpoint = _ROUTES.get((method, parts))
    if endpoint is not None and endpoint not in _NEEDS_ORDER:
        return endpoint, ""
    endpoint = _ROUTES.get((method, parts[:-1]))
    if endpoint is not None and endpoint in _NEEDS_ORDER:
        return endpoint, parts[-1]
    return None, ""


class BuyerApi:
    """Answers the calls of buyers."""

    def __init__(self, market: Market) -> None:
        self._market = market

    def answer(self, request: Request) -> Reply | Later:
        """Answer a call, now or later, and enter it into the ledger."""
        market = self._market
        market.ledger.arrive(market.clock().timestamp())
        market.catch_up()
        endpoint, order_id = route(request.method, request.path)
        if endpoint is None:
            return self._entered(request, "other", refused(Refusal("WRONGURL")))
        try:
            self._admit(request)
        except Refusal as refusal:
            return self._entered(request, endpoint, refused(refusal))
        return self._answer_admitted(request, endpoint, order_id)

    def _answer_admitted(
        self, request: Request, endpoint: Endpoint, order_id: str
    ) -> Reply | Later:
        fault = self._market.faults.draw(endpoint)
        seconds = self._market.settings.latency_ms / 1000
        if fault is not None and fault.kind == "slow":
            seconds += fault.seconds

        def make(there: bool = True) -> Reply:
            # A key is used up by sending it: not for a client that has left meanwhile.
            reply = self._perform(request, endpoint, order_id, fault) if there else _LEFT
            return self._entered(request, endpoint, reply, fault)

        if not seconds:
            return make()
        if endpoint == "key":
            return Later(seconds, make)
        # Orders and payments happen even if nobody waits for the answer.
        reply = make()
        return Later(seconds, lambda _there: reply)

    def _admit(self, request: Request) -> None:
        """
        Check who calls, and how often.

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
        instead = None if fault is None else _instead(fault)
        if fault is not None and instead is not None and not fault.after_effect:
            return instead
        try:
            reply = do(self._market, request, endpoint, order_id, fault)
        except Refusal as refusal:
            reply = refused(refusal)
        self._market.save()
        return instead or _deformed(reply, fault)

    def _entered(
        self, request: Request, endpoint: str, reply: Reply, fault: Fault | None = None
    ) -> Reply:
        lost = reply.ending in {Ending.SILENT, Ending.RESET, Ending.NEVER}
        self._market.ledger.record(
            Call(
                at=self._market.clock(),
                endpoint=endpoint,
                method=request.method,
                target=f"{request.path}?{request.query}" if request.query else request.path,
                status=None if lost else reply.status,
                fault=None if fault is None else fault.kind,
            )
        )
        return reply


_LEFT = Reply(200, ending=Ending.SILENT)


def _instead(fault: Fault) -> Reply | None:
    """Return what is answered instead of the truth, or None."""
    if fault.kind == "bad_gateway":
        return Reply(502)
    if fault.kind == "reset":
        return Reply(200, ending=Ending.RESET)
    if fault.kind == "hang":
        return Reply(200, ending=Ending.NEVER)
    if fault.kind not in REPLACING and fault.kind not in CODES:
        return None
    headers: tuple[tuple[bytes, bytes], ...] = ()
    if fault.retry_after is not None:
        headers = ((b"retry-after", b"%d" % fault.retry_after),)
    return refused(Refusal(_CODE_OF_FAULT.get(fault.kind, fault.kind)), headers=headers)


def _deformed(reply: Reply, fault: Fault | None) -> Reply:
    """Return the true reply as the fault lets it through."""
    kind = None if fault is None else fault.kind
    if kind == "garbage":
        return Reply(200, _GARBAGE)
    if kind == "cut_body":
        return Reply(reply.status, reply.body, ending=Ending.CUT)
    if kind == "lost_answer":
        return Reply(reply.status, ending=Ending.SILENT)
    return reply
