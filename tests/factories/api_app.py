"""The API over a test's own database, with the test's account services."""

import atexit
import shutil
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

from litestar.types import ASGIApp
from msgspec import Struct

from keyshop.accounts.dependencies import AccountServices
from keyshop.baskets.settings import BasketSettings
from keyshop.entrypoints.api.app import ApiOptions, create_app
from keyshop.keys.settings import Vault
from keyshop.kit.cache.passthrough import PassThrough
from keyshop.kit.cache.protocol import Cache
from keyshop.kit.database.pool import Database
from keyshop.kit.high_water_mark import HighWaterMark
from keyshop.kit.secrets import Secret
from keyshop.orders.dependencies import OrderParts
from keyshop.wallet.settings import PaymentSettings
from tests.factories.account_services import BASKETS, account_services
from tests.factories.payments import PAYMENTS
from tests.factories.vault import make_ring


class OpenShop(Struct, frozen=True, kw_only=True):
    """The parts of a shop that the API uses."""

    db: Database
    cache: Cache
    accounts: AccountServices
    baskets: BasketSettings = BASKETS
    orders: OrderParts
    payments: PaymentSettings = PAYMENTS


@cache
def order_parts() -> OrderParts:
    """Return what orders need: the keys of `make_vault`, and one mark for all tests of a process."""
    folder = Path(tempfile.mkdtemp(prefix="keyshop-marks-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return OrderParts(
        vault=Vault(ring=make_ring(), fingerprint_key=Secret("f" * 32)),
        mark=HighWaterMark.open(folder, machine="tests", identity="tests"),
    )


def make_app(
    db: Database,
    *,
    cache: Cache | None = None,
    accounts: AccountServices | None = None,
    baskets: BasketSettings = BASKETS,
    orders: OrderParts | None = None,
    payments: PaymentSettings = PAYMENTS,
    **options: Any,
) -> ASGIApp:
    """Return the API; without a cache every response is read from the database."""
    shop = OpenShop(
        db=db,
        cache=cache or PassThrough(),
        accounts=accounts or account_services(),
        baskets=baskets,
        orders=orders or order_parts(),
        payments=payments,
    )
    return create_app(shop, ApiOptions(**options))
