"""A supplier with canned answers, for tests of formats and headers that need no state."""

import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import httpx2

from keyshop.gateways.g2a.client import G2AClient, Retries
from keyshop.gateways.g2a.credentials import G2ACredentials
from keyshop.gateways.g2a.exchange import Exchange
from keyshop.kit.secrets import Secret

# G2A publishes these credentials for its sandbox.
SANDBOX = G2ACredentials(
    client_id="qdaiciDiyMaTjxMt",
    email="sandboxapitest@g2a.com",
    client_secret=Secret(
        "b0d293f6-e1d2-4629-8264-fd63b5af3207b0d293f6-e1d2-4629-8264-fd63b5af3207"
    ),
)

BRISK = Retries(attempts=3, timeout=5, initial_wait=0.001, max_wait=0.002, jitter=0.001)

Answer = httpx2.Response | Exception


class Canned:
    """Returns the answers in turn, the last one forever, and records the requests."""

    def __init__(self, *answers: Answer) -> None:
        self.answers = list(answers)
        self.requests: list[httpx2.Request] = []

    def __call__(self, request: httpx2.Request) -> httpx2.Response:
        self.requests.append(request)
        answer = self.answers[min(len(self.requests), len(self.answers)) - 1]
        if isinstance(answer, Exception):
            raise answer
        return answer


@asynccontextmanager
async def canned_client(
    canned: Callable[[httpx2.Request], httpx2.Response],
) -> AsyncIterator[G2AClient]:
    async with httpx2.AsyncClient(transport=httpx2.MockTransport(canned)) as http:
        exchange = Exchange(http, base_url="http://g2a.test", credentials=SANDBOX, budget=None)
        yield G2AClient(exchange, retries=BRISK)


def answer(status: int = 200, body: object = None, **headers: str) -> httpx2.Response:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return httpx2.Response(status, content=content, headers=headers)


def refusal(status: int, code: str, message: str = "No.") -> httpx2.Response:
    return answer(status, {"status": "ERROR", "message": message, "code": code})


def make_doc(**overrides: Any) -> dict[str, Any]:
    doc = {
        "id": "10000068865001",
        "name": "Portal 3 Steam Key GLOBAL",
        "type": "",
        "slug": "/portal-3-i10000068865001",
        "qty": 20,
        "minPrice": 4.77,
        "retail_min_price": 6.3,
        "retailMinBasePrice": 6,
        "availableToBuy": True,
        "coverImage": "https://images.example/cover.jpg",
        "images": ["https://images.example/1.jpg", "https://images.example/2.jpg"],
        "updated_at": "2026-01-02 03:04:05",
        "release_date": "2020-02-03",
        "region": "GLOBAL",
        "developer": "Dev",
        "publisher": "Pub",
        "platform": "Steam",
        "priceLimit": {"max": None, "min": 1.5},
        "categories": [{"id": 1, "name": "Action"}, {"id": 1, "name": "Puzzle"}],
    }
    return doc | overrides


def make_page(*docs: object, page: object = 1, total: object = None) -> dict[str, Any]:
    return {"total": len(docs) if total is None else total, "page": page, "docs": list(docs)}
