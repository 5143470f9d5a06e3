"""The moods of the simulator: what goes wrong, at which endpoint, how often."""

import random
from collections import deque
from typing import Literal, get_args

import msgspec

from g2a_simulator.errors import CODES, Unusable

Endpoint = Literal["products", "order", "pay", "details", "key"]
ENDPOINTS: tuple[Endpoint, ...] = get_args(Endpoint)

# Each fault and what it does; all but the last three exist at every endpoint.
KINDS = {
    "server_error": "500 ERR99, and nothing happened",
    "internal_failure": "500 API00, and nothing happened",
    "bad_gateway": "502 with an empty body, and nothing happened",
    "rate_limited": "429 BR03; `retry_after` adds the header",
    "garbage": "it happens, then 200 with a body that is no JSON",
    "cut_body": "it happens, then the connection ends in the middle of the body",
    "lost_answer": "it happens, then the connection ends without an answer",
    "reset": "the connection is reset, and nothing happened",
    "hang": "no answer ever, and nothing happened",
    "slow": "the right answer after `seconds`",
    "short_page": "fewer products on the page than there should be",
    "price_moved": "the price rises by a quarter as the order arrives",
    "stock_gone": "the last key is sold as the order arrives",
}
_ONLY_AT: dict[str, Endpoint] = {
    "short_page": "products",
    "price_moved": "order",
    "stock_gone": "order",
}
# What is answered instead of doing anything, unless `after_effect` says otherwise.
REPLACING = {"server_error", "internal_failure", "bad_gateway", "rate_limited", "reset", "hang"}


class Fault(msgspec.Struct, frozen=True):
    """One thing that goes wrong; a kind may also be any code of the supplier, such as ORD121."""

    kind: str
    seconds: float = 1.0  # of `slow`
    retry_after: int | None = None  # seconds, of `rate_limited`
    after_effect: bool = False  # what is asked for happens before the fault shows

    @property
    def is_code(self) -> bool:
        """Test whether this is a refusal with one of the supplier's codes."""
        return self.kind in CODES


class Switch(msgspec.Struct):
    """A fault that is switched on at an endpoint, for some calls or at a rate."""

    endpoint: Endpoint
    fault: Fault
    calls_left: int | None = None
    rate: float | None = None  # 0 to 1


class Faults:
    """All faults that are switched on."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._next: dict[str, deque[Switch]] = {endpoint: deque() for endpoint in ENDPOINTS}
        self._rates: dict[str, dict[str, Switch]] = {endpoint: {} for endpoint in ENDPOINTS}
        self._dice = random.Random(seed)  # noqa: S311 - the same seed must give the same moods

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
        Let the next calls of an endpoint go wrong; several faults wait for one another.

        Raises:
            Unusable: there is no such endpoint or fault, or it cannot happen there.
        """
        fault = Fault(kind, seconds=seconds, retry_after=retry_after, after_effect=after_effect)
        where = _checked(endpoint, fault)
        if calls < 1:
            raise Unusable("A fault needs at least one call.")
        self._next[where].append(Switch(where, fault, calls_left=calls))

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
        Let a share of an endpoint's calls, 0 to 1, go wrong; 0 switches it off.

        Raises:
            Unusable: there is no such endpoint or fault, or it cannot happen there.
        """
        fault = Fault(kind, seconds=seconds, retry_after=retry_after, after_effect=after_effect)
        where = _checked(endpoint, fault)
        if not 0 <= rate <= 1:
            raise Unusable("A rate lies between 0 and 1.")
        self._rates[where].pop(kind, None)
        if rate:
            self._rates[where][kind] = Switch(where, fault, rate=rate)

    def clear(self, endpoint: str | None = None) -> None:
        """Switch everything off, at one endpoint or everywhere, and throw the dice anew."""
        for where in ENDPOINTS if endpoint is None else (_endpoint(endpoint),):
            self._next[where].clear()
            self._rates[where].clear()
        self._dice.seed(self._seed)

    def switches(self) -> list[Switch]:
        """List what is switched on."""
        waiting = [switch for queue in self._next.values() for switch in queue]
        return waiting + [s for rates in self._rates.values() for s in rates.values()]

    def draw(self, endpoint: Endpoint) -> Fault | None:
        """Return what goes wrong with this call, or None; those for the next calls come first."""
        queue = self._next[endpoint]
        if queue:
            switch = queue[0]
            switch.calls_left = (switch.calls_left or 1) - 1
            if not switch.calls_left:
                queue.popleft()
            return switch.fault
        for switch in self._rates[endpoint].values():
            if self._dice.random() < (switch.rate or 0):
                return switch.fault
        return None


def _endpoint(name: str) -> Endpoint:
    for endpoint in ENDPOINTS:
        if endpoint == name:
            return endpoint
    raise Unusable(f"There is no endpoint {name}, only {', '.join(ENDPOINTS)}.")


def _checked(name: str, fault: Fault) -> Endpoint:
    endpoint = _endpoint(name)
    if fault.kind not in KINDS and not fault.is_code:
        raise Unusable(f"There is no fault {fault.kind}.")
    if not _may_happen(fault.kind, endpoint):
        raise Unusable(f"{fault.kind} cannot happen at {endpoint}.")
    if not 0 <= fault.seconds <= 3600:
        raise Unusable("A slow answer takes between 0 and 3600 seconds.")
    return endpoint


def _may_happen(kind: str, endpoint: Endpoint) -> bool:
    if kind.startswith("ORD"):
        return endpoint != "products"
    if kind.startswith("PR"):
        return endpoint == "products"
    return _ONLY_AT.get(kind, endpoint) == endpoint


def faults_at(endpoint: Endpoint) -> list[str]:
    """List every fault and every code that can be switched on at an endpoint."""
    return [kind for kind in (*KINDS, *CODES) if _may_happen(kind, endpoint)]
