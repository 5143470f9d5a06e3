"""The faults of the simulator: what goes wrong, at which endpoint, and how often."""

import random
from collections import deque
from typing import Literal, get_args

import msgspec

from g2a_simulator.errors import CODES, InvalidCommand

Endpoint = Literal["products", "order", "pay", "details", "key"]
ENDPOINTS: tuple[Endpoint, ...] = get_args(Endpoint)

# Each fault and its effect; all but the last three exist at every endpoint.
KINDS = {
    "server_error": "500 ERR99, and nothing happened",
    "internal_failure": "500 API00, and nothing happened",
    "bad_gateway": "502 with an empty body, and nothing happened",
    "rate_limited": "429 BR03; `retry_after` adds the header",
    "garbage": "it happens, then 200 with a body that is not JSON",
    "cut_body": "it happens, then the connection closes in the middle of the body",
    "lost_answer": "it happens, then the connection closes without an answer",
    "reset": "the connection is reset, and nothing happened",
    "hang": "no answer at all, and nothing happened",
    "slow": "the correct answer after `seconds`",
    "short_page": "some products are missing on the page",
    "price_moved": "the price rises by a quarter before the order is placed",
    "stock_gone": "the last key is sold before the order is placed",
}
_ONLY_AT: dict[str, Endpoint] = {
    "short_page": "products",
    "price_moved": "order",
    "stock_gone": "order",
}
# These replace the call, unless `after_effect` is set.
REPLACING = {"server_error", "internal_failure", "bad_gateway", "rate_limited", "reset", "hang"}


class Fault(msgspec.Struct, frozen=True):
    """One thing that goes wrong; a kind may also be any code of the supplier, such as ORD121."""

    kind: str
    seconds: float = 1.0  # of `slow`
    retry_after: int | None = None  # seconds, of `rate_limited`
    after_effect: bool = False  # the call takes effect before the fault occurs

    @property
    def is_code(self) -> bool:
        """Test whether this is a refusal with one of the supplier's codes."""
        return self.kind in CODES


class ActiveFault(msgspec.Struct):
    """A fault that is switched on at an endpoint, for some calls or at a rate."""

    endpoint: Endpoint
    fault: Fault
    calls_left: int | None = None
    rate: float | None = None  # 0 to 1


class Faults:
    """The faults that are switched on."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._next: dict[str, deque[ActiveFault]] = {endpoint: deque() for endpoint in ENDPOINTS}
        self._rates: dict[str, dict[str, ActiveFault]] = {endpoint: {} for endpoint in ENDPOINTS}
        self._random = random.Random(seed)  # noqa: S311 - must be repeatable

    def next(
        self,
        endpoint: str,
        kind: str,
        *,
        calls: int = 1,
        seconds: float = 1.0,
        retry_after: int | None = None,
        after_effect: bool = False,
    ) -> None:
        """
        Switch a fault on for the next calls of an endpoint; several faults queue.

        Raises:
            InvalidCommand: the endpoint or the fault does not exist, or it cannot occur there.
        """
        fault = Fault(kind, seconds=seconds, retry_after=retry_after, after_effect=after_effect)
        where = _validate(endpoint, fault)
        if calls < 1:
            raise InvalidCommand("A fault needs at least one call.")
        self._next[where].append(ActiveFault(where, fault, calls_left=calls))

    def rate(
        self,
        endpoint: str,
        kind: str,
        rate: float,
        *,
        seconds: float = 1.0,
        retry_after: int | None = None,
        after_effect: bool = False,
    ) -> None:
        """
        Switch a fault on for a share of an endpoint's calls, 0 to 1; 0 switches it off.

        Raises:
            InvalidCommand: the endpoint or the fault does not exist, or it cannot occur there.
        """
        fault = Fault(kind, seconds=seconds, retry_after=retry_after, after_effect=after_effect)
        where = _validate(endpoint, fault)
        if not 0 <= rate <= 1:
            raise InvalidCommand("A rate must be between 0 and 1.")
        self._rates[where].pop(kind, None)
        if rate:
            self._rates[where][kind] = ActiveFault(where, fault, rate=rate)

    def clear(self, endpoint: str | None = None) -> None:
        """Switch all faults off, at one endpoint or everywhere, and restart the random numbers."""
        for where in ENDPOINTS if endpoint is None else (_endpoint(endpoint),):
            self._next[where].clear()
            self._rates[where].clear()
        self._random.seed(self._seed)

    def switches(self) -> list[ActiveFault]:
        """List the faults that are switched on."""
        queued = [switch for queue in self._next.values() for switch in queue]
        return queued + [s for rates in self._rates.values() for s in rates.values()]

    def draw(self, endpoint: Endpoint) -> Fault | None:
        """Return the fault of this call, or None; faults for the next calls come first."""
        queue = self._next[endpoint]
        if queue:
            switch = queue[0]
            switch.calls_left = (switch.calls_left or 1) - 1
            if not switch.calls_left:
                queue.popleft()
            return switch.fault
        for switch in self._rates[endpoint].values():
            if self._random.random() < (switch.rate or 0):
                return switch.fault
        return None


def _endpoint(name: str) -> Endpoint:
    for endpoint in ENDPOINTS:
        if endpoint == name:
            return endpoint
    raise InvalidCommand(f"There is no endpoint {name}. The endpoints are {', '.join(ENDPOINTS)}.")


def _validate(name: str, fault: Fault) -> Endpoint:
    endpoint = _endpoint(name)
    if fault.kind not in KINDS and not fault.is_code:
        raise InvalidCommand(f"There is no fault {fault.kind}.")
    if not _may_occur(fault.kind, endpoint):
        raise InvalidCommand(f"{fault.kind} cannot occur at {endpoint}.")
    if not 0 <= fault.seconds <= 3600:
        raise InvalidCommand("A slow answer must take between 0 and 3600 seconds.")
    return endpoint


def _may_occur(kind: str, endpoint: Endpoint) -> bool:
    if kind.startswith("ORD"):
        return endpoint != "products"
    if kind.startswith("PR"):
        return endpoint == "products"
    return _ONLY_AT.get(kind, endpoint) == endpoint


def faults_at(endpoint: Endpoint) -> list[str]:
    """List the faults and the codes that can be switched on at an endpoint."""
    return [kind for kind in (*KINDS, *CODES) if _may_occur(kind, endpoint)]
