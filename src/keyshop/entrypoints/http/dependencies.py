"""The dependencies that Litestar hands to handlers by name."""

from typing import Protocol, TypeAlias

from litestar.di import NamedDependency
from litestar.params import SkipValidation
from msgspec import Struct

from keyshop.accounts.dependencies import AccountServices
from keyshop.baskets.settings import BasketSettings
from keyshop.entrypoints.http.client_address import TrustedProxies
from keyshop.kit.cache.protocol import Cache
from keyshop.kit.database.pool import Database


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


class ApiShop(Struct, frozen=True, kw_only=True):
    """The parts of the shop that handlers pass to features."""

    db: Database
    cache: Cache
    accounts: AccountServices
    baskets: BasketSettings
    proxies: TrustedProxies
    secure_cookies: bool
    """Whether clients reach the shop over TLS, even if a proxy forwards plain HTTP."""


# One dependency for all parts: Litestar resolves two names in two tasks, which cost a request more
# than everything else about a cached response.
CurrentShop: TypeAlias = SkipValidation[NamedDependency[ApiShop]]
