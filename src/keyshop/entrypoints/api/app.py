"""Puts the API together."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from litestar import Litestar
from litestar.di import Provide
from litestar.openapi import OpenAPIConfig
from litestar.openapi.spec import Components, SecurityScheme
from litestar.types import ASGIApp, ControllerRouterHandler

from keyshop.accounts.services import AccountServices
from keyshop.entrypoints.api.auth import auth_router
from keyshop.entrypoints.api.browse import browse_handler
from keyshop.entrypoints.api.cart import cart_router
from keyshop.entrypoints.api.games import games_router
from keyshop.entrypoints.api.health import Checks, health_handlers
from keyshop.entrypoints.api.metrics import Gauges, metrics_handler
from keyshop.entrypoints.api.pages.docs import DocsPage, MoneySchema, docs_file, openapi_document
from keyshop.entrypoints.api.pages.start import start_page_handler
from keyshop.entrypoints.api.pages.storefront import StorefrontFiles
from keyshop.entrypoints.api.user import user_router
from keyshop.entrypoints.api.wishlist import own_wishlist_router, wishlist_router
from keyshop.entrypoints.http.client_address import Network, Proxies
from keyshop.entrypoints.http.dependencies import ApiShop
from keyshop.entrypoints.http.edge import Edge
from keyshop.entrypoints.http.errors import EXCEPTION_HANDLERS, MAX_BODY
from keyshop.kit.cache.protocol import Cache
from keyshop.kit.database.pool import Database

_VERSION: Final = "0.1.0"

_BEARER: Final = SecurityScheme(
    type="http", scheme="bearer", bearer_format="JWT", description="The token of a sign-in."
)


def create_app(
    *,
    db: Database,
    cache: Cache,
    accounts: AccountServices,
    checks: Checks,
    trusted_proxies: Sequence[Network] = (),
    secure_cookies: bool = False,
    allowed_origins: Sequence[str] = (),
    metrics_folder: Path | None = None,
    gauges: Gauges | None = None,
    simulator_url: str | None = None,
    storefront_dir: Path | None = None,
    extra_routes: Sequence[ControllerRouterHandler] = (),
) -> ASGIApp:
    """
    Return the API over an open database.

    Args:
        db: An open database; whoever opened it closes it.
        cache: What answers are read through.
        accounts: What signs tokens and looks at passwords.
        checks: What /health asks, by name; "database" is added.
        trusted_proxies: Whose word counts about where a request came from.
        secure_cookies: Whether visitors reach the shop over TLS alone.
        allowed_origins: Pages that may call from another origin, exactly as browsers name them.
        metrics_folder: Where all processes count, when there are several.
        gauges: Figures that are read when somebody looks at /metrics.
        simulator_url: The address of the supplier's stand-in, for the start page.
        storefront_dir: A built storefront, for / and whatever address is not ours.
        extra_routes: Handlers of other doors.
    """
    shop = ApiShop(
        db=db,
        cache=cache,
        accounts=accounts,
        proxies=Proxies(trusted_proxies),
        secure_cookies=secure_cookies,
    )
    inner = Litestar(
        route_handlers=[
            browse_handler(shop),
            games_router,
            auth_router,
            user_router,
            cart_router,
            wishlist_router,
            own_wishlist_router,
            *health_handlers(db, checks),
            metrics_handler(metrics_folder, gauges),
            start_page_handler(simulator_url),
            docs_file,
            openapi_document,
            *extra_routes,
        ],
        dependencies={"shop": Provide(lambda: shop, use_cache=True, sync_to_thread=False)},
        exception_handlers=EXCEPTION_HANDLERS,
        request_max_body_size=MAX_BODY,
        openapi_config=OpenAPIConfig(
            title="keyshop",
            version=_VERSION,
            path="/docs",
            render_plugins=[DocsPage()],
            components=Components(security_schemes={"Bearer": _BEARER}),
        ),
        plugins=[MoneySchema()],
        logging_config=None,
    )
    if storefront_dir is None:
        return Edge(inner, allowed_origins, is_encrypted=secure_cookies)
    ours = [route.path for route in inner.routes]
    outer = StorefrontFiles(inner, storefront_dir, ours)
    return Edge(outer, allowed_origins, is_encrypted=secure_cookies)
