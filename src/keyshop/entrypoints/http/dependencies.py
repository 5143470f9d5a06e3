"""What handlers are given by name."""

from typing import TypeAlias

from litestar.di import NamedDependency
from litestar.params import SkipValidation
from msgspec import Struct

from keyshop.accounts.services import AccountServices
from keyshop.entrypoints.http.client_address import Proxies
from keyshop.kit.cache.protocol import Cache
from keyshop.kit.database.pool import Database


class ApiShop(Struct, frozen=True, kw_only=True):
    """The parts of the shop that handlers hand to features."""

    db: Database
    cache: Cache
    accounts: AccountServices
    proxies: Proxies
    secure_cookies: bool
    """Whether visitors reach the shop over TLS, whatever the last stretch is."""


# One for all parts: the framework resolves two names in two tasks of their own, which cost a request
# more than all the rest of a kept answer.
CurrentShop: TypeAlias = SkipValidation[NamedDependency[ApiShop]]
