"""The parts of the shop, as handlers get them."""

from typing import Protocol

from litestar.types import Scope
from msgspec import Struct

from keyshop.accounts.dependencies import AccountServices
from keyshop.baskets.settings import BasketSettings
from keyshop.entrypoints.http.client_address import TrustedProxies
from keyshop.kit.cache.protocol import Cache
from keyshop.kit.database.pool import Database
from keyshop.orders.dependencies import OrderParts
from keyshop.wallet.settings import PaymentSettings


class ShopParts(Protocol):
    """The parts of an open shop that web applications use, such as `assembly.Shop`."""

    @property
    def db(self) -> Database: ...

    @property
    def cache(self) -> Cache: ...

    @property
    def accounts(self) -> AccountServices: ...

    @property
    def baskets(self) -> BasketSettings: ...

    @property
    def orders(self) -> OrderParts: ...

    @property
    def payments(self) -> PaymentSettings: ...


class ApiShop(Struct, frozen=True, kw_only=True):
    """The parts of the shop that handlers pass to features."""

    db: Database
    cache: Cache
    accounts: AccountServices
    baskets: BasketSettings
    orders: OrderParts
    payments: PaymentSettings
    proxies: TrustedProxies
    secure_cookies: bool
    """Whether clients reach the shop over TLS, even if a proxy forwards plain HTTP."""


def shop_of(scope: Scope) -> ApiShop:
    """Return the parts of the shop that a request is for."""
    # Litestar's own dependencies cost a request more than everything else about a cached response.
    shop: ApiShop = scope["litestar_app"].state["shop"]
    return shop
