"""Puts the API together."""

from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Final

from litestar import Litestar
from litestar.datastructures import State
from litestar.openapi import OpenAPIConfig
from litestar.openapi.spec import Components
from litestar.types import ASGIApp, ControllerRouterHandler
from msgspec import Struct

from keyshop.entrypoints.api.auth import auth_router
from keyshop.entrypoints.api.browse import browse_handler
from keyshop.entrypoints.api.cart import cart_router
from keyshop.entrypoints.api.games import games_router
from keyshop.entrypoints.api.health import Health, health_handlers
from keyshop.entrypoints.api.metrics import ReadMetrics, metrics_handler
from keyshop.entrypoints.api.orders import orders_router
from keyshop.entrypoints.api.pages.demo_payment import DEMO, demo_payment_handlers
from keyshop.entrypoints.api.pages.docs import DocsPage, docs_file, openapi_file
from keyshop.entrypoints.api.pages.start import start_page_handler
from keyshop.entrypoints.api.pages.static_files import StorefrontFiles
from keyshop.entrypoints.api.payments import payment_router
from keyshop.entrypoints.api.probes import Checks
from keyshop.entrypoints.api.user import user_router
from keyshop.entrypoints.api.wishlist import user_wishlist_router, wishlist_router
from keyshop.entrypoints.http.client_address import ForwardedHeader, Network, TrustedProxies
from keyshop.entrypoints.http.dependencies import ApiShop, ShopParts
from keyshop.entrypoints.http.edge import Edge
from keyshop.entrypoints.http.errors import EXCEPTION_HANDLERS
from keyshop.entrypoints.http.openapi import SECURITY_SCHEMES, MoneySchema
from keyshop.entrypoints.http.requests import MAX_BODY_SIZE
from keyshop.kit.secrets import Secret

_DESCRIPTION: Final = (
    "The storefront API of a shop that sells digital game keys: catalogue, accounts, carts,"
    " wishlists and orders. Every response is JSON with `success`, and either `data`, `message` or `error`."
)


class ApiOptions(Struct, frozen=True, kw_only=True):
    """How one API differs from another over the same shop."""

    checks: Checks = {}
    """What /health checks besides the database, by name."""

    trusted_proxies: Sequence[Network] = ()
    """The networks of proxies whose forwarding headers are believed."""

    forwarded_header: ForwardedHeader = "x-forwarded-for"
    """The one header in which those proxies report the client."""

    secure_cookies: bool = False
    """Whether clients reach the shop over TLS only."""

    allowed_origins: Sequence[str] = ()
    """The other origins whose pages may call the API, exactly as browsers send them."""

    public_origin: str | None = None
    """The shop's own origin where it is configured; otherwise it is what the client's `Host` names."""

    metrics_folder: Path | None = None
    """Where several processes share their metrics; None: there is one process."""

    read_metrics: ReadMetrics | None = None
    """Reads the metrics that are the same for all processes."""

    metrics_token: Secret | None = None
    """With this bearer token, /metrics is shown to other machines as well."""

    public_docs: bool = True
    """Whether /docs, /openapi.json and the start page are shown."""

    simulator_url: str | None = None
    """The address of the simulated supplier, for the start page."""

    storefront_dir: Path | None = None
    """The folder of a built storefront, which is served at / and every path that is not ours."""

    extra_routes: Sequence[ControllerRouterHandler] = ()


def create_app(shop: ShopParts, options: ApiOptions) -> ASGIApp:
    """Return the API over an open shop, which the caller closes."""
    litestar = _create_litestar(shop, options)
    app: ASGIApp = litestar
    if options.storefront_dir is not None:
        own_paths = [route.path for route in litestar.routes]
        app = StorefrontFiles(litestar, options.storefront_dir, own_paths)
    return Edge(
        app,
        options.allowed_origins,
        public_origin=options.public_origin,
        is_encrypted=options.secure_cookies,
    )


def _create_litestar(shop: ShopParts, options: ApiOptions) -> Litestar:
    api_shop = ApiShop(
        db=shop.db,
        cache=shop.cache,
        accounts=shop.accounts,
        baskets=shop.baskets,
        orders=shop.orders,
        payments=shop.payments,
        proxies=TrustedProxies(options.trusted_proxies, options.forwarded_header),
        secure_cookies=options.secure_cookies,
    )
    health = Health(shop.db, options.checks)
    return Litestar(
        route_handlers=_route_handlers(api_shop, options, health),
        lifespan=[health.run],
        state=State({"shop": api_shop}),
        exception_handlers=EXCEPTION_HANDLERS,
        request_max_body_size=MAX_BODY_SIZE,
        openapi_config=_openapi_config() if options.public_docs else None,
        plugins=[MoneySchema()],
        logging_config=None,
    )


def _openapi_config() -> OpenAPIConfig:
    return OpenAPIConfig(
        title="keyshop",
        version=version("keyshop"),
        description=_DESCRIPTION,
        path="/docs",
        render_plugins=[DocsPage()],
        components=Components(security_schemes=SECURITY_SCHEMES),
    )


def _demo_payment_handlers(shop: ApiShop, options: ApiOptions) -> Sequence[ControllerRouterHandler]:
    provider = shop.payments.provider
    if provider is None or provider.name != DEMO:
        return []
    # A storefront at another origin calls this API, and is named for that.
    origins = [""] if options.storefront_dir is not None else options.allowed_origins[:1]
    return demo_payment_handlers(f"{origins[0]}/profile/balance" if origins else None)


def _route_handlers(
    shop: ApiShop, options: ApiOptions, health: Health
) -> list[ControllerRouterHandler]:
    return [
        browse_handler(shop),
        games_router,
        auth_router,
        user_router,
        cart_router,
        orders_router,
        wishlist_router,
        user_wishlist_router,
        payment_router,
        *_demo_payment_handlers(shop, options),
        *health_handlers(health),
        metrics_handler(options.metrics_folder, options.read_metrics, options.metrics_token),
        *(
            [start_page_handler(options.simulator_url), docs_file, openapi_file]
            if options.public_docs
            else []
        ),
        *options.extra_routes,
    ]
