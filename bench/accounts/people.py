"""The customers of a run, each with its own e-mail address and network address."""

from collections.abc import Mapping
from itertools import count
from typing import Final

from msgspec import Struct, json

from bench.accounts.crowd import Request

_PASSWORD: Final = "Correct horse battery 1"
_numbers = count(1)


class Person(Struct, frozen=True):
    """A customer who is not registered yet."""

    email: str
    address: str

    def register(self) -> Request:
        """Return the request that registers the account."""
        parts = {"email": self.email, "password": _PASSWORD, "nickname": "Alice"}
        return self._post("/api/auth/register", parts)

    def sign_in(self) -> Request:
        """Return the request that signs in."""
        return self._post("/api/auth/login", {"email": self.email, "password": _PASSWORD})

    def add_to_cart(self, token: str, game_id: str) -> Request:
        """Return the request that puts a game into the customer's cart."""
        return self._post("/api/cart", {"gameId": game_id, "quantity": 1}, token)

    def get(self, path: str, token: str) -> Request:
        """Return the request that reads one of the customer's own pages."""
        return Request(method="GET", path=path, address=self.address, token=token)

    def _post(self, path: str, parts: Mapping[str, str | int], token: str = "") -> Request:
        body = json.encode(parts).decode()
        return Request(path=path, address=self.address, body=body, token=token)


def new_people(number: int) -> list[Person]:
    """Return new customers."""
    return [_person(next(_numbers)) for _ in range(number)]


def same_person(number: int) -> list[Person]:
    """Return customers with the same e-mail address and different network addresses."""
    people = new_people(number)
    return [Person(people[0].email, person.address) for person in people]


def _person(number: int) -> Person:
    address = f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}"
    return Person(f"customer-{number}@example.com", address)
