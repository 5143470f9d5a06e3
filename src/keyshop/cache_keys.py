"""
What is cached, and which rows each answer is made from.

The families come first, the tables after them. The triggers on the shop's tables are generated from
this file: a change of it needs a migration, and a test compares the two. A table or column that is
not listed is part of no answer, and its changes invalidate nothing.
"""

from collections.abc import Mapping
from datetime import timedelta
from typing import Final

from msgspec import Struct

from keyshop.kit.cache.families import Family

_MINUTE: Final = timedelta(minutes=1)
_HOUR: Final = timedelta(hours=1)
_DAY: Final = timedelta(days=1)

# A group is invalidated as a whole when a change concerns many owners, or when one statement changes
# more than 500 keys of a family. Every family is in exactly one group.

GAMES: Final = "games"  # one game per key
HOME: Final = "home"  # the lists of the home page
CATALOG: Final = "catalog"  # lists of games, and the names of the catalogue
PRICES: Final = "prices"  # carts and wishlists, which show games with their prices
TITLES: Final = "titles"  # orders, which show games with their titles
PROFILES: Final = "profiles"
TRANSACTIONS: Final = "transactions"
BALANCES: Final = "balances"
ACCESS: Final = "access"

GROUPS: Final = (
    GAMES,
    HOME,
    CATALOG,
    PRICES,
    TITLES,
    PROFILES,
    TRANSACTIONS,
    BALANCES,
    ACCESS,
)

# The part `digest` is `families.digest` of a text; every other part is a row's id.

GAME: Final = Family(name="game", pattern="game:{id}", ttl=_HOUR, group=GAMES)
GAME_BY_SLUG: Final = Family(
    name="game_by_slug", pattern="game:slug:{digest}", ttl=_HOUR, group=GAMES
)
# Made from other games as well, so it is in the group of lists.
SIMILAR: Final = Family(name="similar", pattern="game:{id}:similar", ttl=_HOUR, group=CATALOG)

HOME_BEST_SELLERS: Final = Family(
    name="home_best_sellers", pattern="home:bestSellers", ttl=_HOUR, group=HOME
)
# digest: the genre's name or slug, in lower case.
HOME_BEST_SELLERS_OF_GENRE: Final = Family(
    name="home_best_sellers_of_genre", pattern="home:bestSellers:{digest}", ttl=_HOUR, group=HOME
)
HOME_NEW_IN_CATALOG: Final = Family(
    name="home_new_in_catalog", pattern="home:newInCatalog", ttl=_HOUR, group=HOME
)
HOME_NEW: Final = Family(name="home_new", pattern="home:new", ttl=_HOUR, group=HOME)
HOME_PREORDERS: Final = Family(
    name="home_preorders", pattern="home:preorders", ttl=_HOUR, group=HOME
)

FILTER_OPTIONS: Final = Family(
    name="filter_options", pattern="catalog:filterOptions", ttl=_HOUR, group=CATALOG
)
GENRES: Final = Family(name="genres", pattern="catalog:genres", ttl=_HOUR, group=CATALOG)
PLATFORMS: Final = Family(name="platforms", pattern="catalog:platforms", ttl=_HOUR, group=CATALOG)
COLLECTIONS: Final = Family(
    name="collections", pattern="catalog:collections", ttl=_HOUR, group=CATALOG
)
# digest: the genre's name or slug, in lower case.
BY_GENRE: Final = Family(
    name="by_genre", pattern="catalog:genre:{digest}", ttl=_HOUR, group=CATALOG
)
# digest: the page's parameters, in a canonical form.
CATALOG_PAGE: Final = Family(
    name="catalog_page", pattern="catalog:page:{digest}", ttl=_HOUR, group=CATALOG
)
# digest: the text that was typed.
SUGGESTIONS: Final = Family(
    name="suggestions", pattern="catalog:suggest:{digest}", ttl=_HOUR, group=CATALOG
)

PROFILE: Final = Family(name="profile", pattern="user:{user}:profile", ttl=_HOUR, group=PROFILES)
CART: Final = Family(name="cart", pattern="user:{user}:cart", ttl=30 * _MINUTE, group=PRICES)
WISHLIST: Final = Family(name="wishlist", pattern="user:{user}:wishlist", ttl=_HOUR, group=PRICES)
ORDERS: Final = Family(name="orders", pattern="user:{user}:orders", ttl=30 * _MINUTE, group=TITLES)
ORDER: Final = Family(name="order", pattern="order:{id}", ttl=15 * _MINUTE, group=TITLES)
USER_TRANSACTIONS: Final = Family(
    name="transactions",
    pattern="user:{user}:transactions",
    ttl=15 * _MINUTE,
    group=TRANSACTIONS,
)
BALANCE: Final = Family(
    name="balance", pattern="user:{user}:balance", ttl=15 * _MINUTE, group=BALANCES
)
# digest: the session id of the cookie. With the id itself, a person who can read the keys of Redis
# could act as that visitor.
GUEST_CART: Final = Family(
    name="guest_cart", pattern="session:{digest}:cart", ttl=_DAY, group=PRICES
)
GUEST_WISHLIST: Final = Family(
    name="guest_wishlist", pattern="session:{digest}:wishlist", ttl=_DAY, group=PRICES
)
# What decides whether a token is still valid, and for what.
USER_ACCESS: Final = Family(name="access", pattern="user:{user}:access", ttl=_HOUR, group=ACCESS)

FAMILIES: Final = (
    GAME,
    GAME_BY_SLUG,
    SIMILAR,
    HOME_BEST_SELLERS,
    HOME_BEST_SELLERS_OF_GENRE,
    HOME_NEW_IN_CATALOG,
    HOME_NEW,
    HOME_PREORDERS,
    FILTER_OPTIONS,
    GENRES,
    PLATFORMS,
    COLLECTIONS,
    BY_GENRE,
    CATALOG_PAGE,
    SUGGESTIONS,
    PROFILE,
    CART,
    WISHLIST,
    ORDERS,
    ORDER,
    USER_TRANSACTIONS,
    BALANCE,
    GUEST_CART,
    GUEST_WISHLIST,
    USER_ACCESS,
)


class JoinedColumn(Struct, frozen=True):
    """A part of a key that is in another table: this column of the row with the given id."""

    table: str
    column: str


class Key(Struct, frozen=True):
    """A change of these columns invalidates this family's key, of the row's old and new values."""

    family: Family
    part_column: str
    """The column with the part, or with the id for `joined`; NULL: no key."""

    columns: tuple[str, ...]
    joined: JoinedColumn | None = None


class Group(Struct, frozen=True):
    """A change of these columns invalidates this group."""

    name: str
    columns: tuple[str, ...]
    when_added: bool = True
    """Whether a new row invalidates the group as well."""


class Source(Struct, frozen=True):
    """A table and what its changes invalidate; TRUNCATE invalidates all its groups and families."""

    table: str
    """A table in schema public, unless it begins with `keyshop.`."""

    primary_key: tuple[str, ...]
    keys: tuple[Key, ...] = ()
    groups: tuple[Group, ...] = ()


# The columns of a game that any answer shows or sorts by. Not among them: its stock at the supplier
# and when that was read, ratings and languages for other applications, and updatedAt.
_GAME: Final = (
    "price",
    "inStock",
    "originalPrice",
    "discount",
    "currency",
    "title",
    "slug",
    "image",
    "releaseDate",
    "metacriticScore",
    "userRating",
    "ageRating",
    "multiplayer",
    "activationService",
    "region",
    "publisher",
    "isBestSeller",
    "isNew",
    "isPreorder",
    "createdAt",
    "images",
    "shortDescription",
    "description",
)
_GAME_IN_CART: Final = ("price", "inStock", "originalPrice", "currency", "title", "slug", "image")
_GAME_IN_ORDER: Final = ("title", "slug", "image")
_NAME: Final = ("name", "slug")
_ORDER: Final = (
    "userId",
    "status",
    "subtotal",
    "discount",
    "total",
    "paymentMethod",
    "paymentStatus",
    "promoCode",
    "createdAt",
    "completedAt",
)
# A profile shows how much was bought and saved.
_ORDER_IN_PROFILE: Final = ("userId", "status", "discount")
_ORDER_ITEM: Final = ("orderId", "gameId", "quantity", "price", "discount")
_GAME_KEY: Final = ("orderId", "gameId", "key", "activated", "activationDate")
_USER_IN_PROFILE: Final = (
    "balance",
    "email",
    "nickname",
    "firstName",
    "lastName",
    "avatar",
    "role",
    "emailVerified",
    "createdAt",
)
_USER_IN_ACCESS: Final = ("role", "passwordHash")
_SESSION: Final = ("sessionId", "expiresAt")
_TRANSACTION: Final = (
    "userId",
    "orderId",
    "type",
    "amount",
    "currency",
    "method",
    "status",
    "description",
    "transactionHash",
    "createdAt",
)
_UNIT: Final = ("order_id", "state", "charged")
_REFUND: Final = ("order_id", "unit_id", "transaction_id", "amount")
_VAULT_KEY: Final = ("order_id", "state")
_SLUG: Final = JoinedColumn("games", "slug")
_OWNER: Final = JoinedColumn("orders", "userId")


def _link_table(table: str, name_column: str, *more_groups: str) -> Source:
    """A link between a game and a name invalidates the game's keys, and every list."""
    columns = ("gameId", name_column)
    return Source(
        table,
        columns,
        keys=(Key(GAME, "gameId", columns), Key(GAME_BY_SLUG, "gameId", columns, _SLUG)),
        groups=tuple(Group(group, columns) for group in (HOME, CATALOG, *more_groups)),
    )


def _name_table(table: str, *more_groups: str) -> Source:
    """A changed name invalidates all games; a new name has no games yet."""
    return Source(
        table,
        ("id",),
        groups=(
            Group(CATALOG, _NAME),
            *(Group(group, _NAME, when_added=False) for group in (GAMES, HOME, *more_groups)),
        ),
    )


SOURCES: Final = (
    Source(
        "games",
        ("id",),
        keys=(Key(GAME, "id", _GAME), Key(GAME_BY_SLUG, "slug", _GAME)),
        groups=(
            Group(HOME, _GAME),
            Group(CATALOG, _GAME),
            # Foreign keys ensure that a new game is in no cart and in no order.
            Group(PRICES, _GAME_IN_CART, when_added=False),
            Group(TITLES, _GAME_IN_ORDER, when_added=False),
        ),
    ),
    _link_table("game_genres", "genreId"),
    _link_table("game_platforms", "platformId", PRICES),
    _link_table("game_tags", "tagId"),
    _link_table("game_categories", "categoryId"),
    _name_table("genres"),
    _name_table("platforms", PRICES),
    _name_table("tags"),
    _name_table("categories"),
    Source(
        "users",
        ("id",),
        keys=(
            Key(PROFILE, "id", _USER_IN_PROFILE),
            Key(BALANCE, "id", ("balance",)),
            Key(USER_ACCESS, "id", _USER_IN_ACCESS),
        ),
    ),
    Source(
        "cart_items",
        ("userId", "gameId"),
        keys=(Key(CART, "userId", ("userId", "gameId", "quantity", "addedAt")),),
    ),
    Source(
        "wishlist",
        ("userId", "gameId"),
        keys=(Key(WISHLIST, "userId", ("userId", "gameId", "addedAt")),),
    ),
    Source(
        "orders",
        ("id",),
        keys=(
            Key(ORDER, "id", _ORDER),
            Key(ORDERS, "userId", _ORDER),
            Key(PROFILE, "userId", _ORDER_IN_PROFILE),
        ),
    ),
    Source(
        "order_items",
        ("id",),
        keys=(
            Key(ORDER, "orderId", _ORDER_ITEM),
            Key(ORDERS, "orderId", _ORDER_ITEM, _OWNER),
            Key(PROFILE, "orderId", ("orderId", "quantity"), _OWNER),
        ),
    ),
    Source(
        "game_keys",
        ("id",),
        keys=(
            Key(ORDER, "orderId", _GAME_KEY),
            Key(ORDERS, "orderId", _GAME_KEY, _OWNER),
        ),
    ),
    Source(
        "transactions",
        ("id",),
        keys=(Key(USER_TRANSACTIONS, "userId", _TRANSACTION),),
    ),
    Source(
        "keyshop.order_units",
        ("id",),
        keys=(
            Key(ORDER, "order_id", _UNIT),
            Key(ORDERS, "order_id", _UNIT, _OWNER),
            # The number of keys that a profile shows is without refunded ones.
            Key(PROFILE, "order_id", ("order_id", "state"), _OWNER),
        ),
    ),
    Source(
        "keyshop.refunds",
        ("id",),
        keys=(
            Key(ORDER, "order_id", _REFUND),
            Key(ORDERS, "order_id", _REFUND, _OWNER),
            # A refund's transaction is shown with the order's id.
            Key(USER_TRANSACTIONS, "order_id", _REFUND, _OWNER),
        ),
    ),
    Source(
        "keyshop.vault_keys",
        ("id",),
        keys=(
            Key(ORDER, "order_id", _VAULT_KEY),
            Key(ORDERS, "order_id", _VAULT_KEY, _OWNER),
        ),
    ),
    Source(
        "sessions",
        ("id",),
        keys=(
            Key(GUEST_CART, "sessionId", _SESSION),
            Key(GUEST_WISHLIST, "sessionId", _SESSION),
        ),
    ),
    Source(
        "keyshop.guest_cart_items",
        ("session_id", "game_id"),
        keys=(Key(GUEST_CART, "session_id", ("session_id", "game_id", "quantity", "added_at")),),
    ),
    Source(
        "keyshop.guest_wishlist_items",
        ("session_id", "game_id"),
        keys=(Key(GUEST_WISHLIST, "session_id", ("session_id", "game_id", "added_at")),),
    ),
    Source(
        "keyshop.token_families",
        ("id",),
        keys=(Key(USER_ACCESS, "user_id", ("id", "user_id", "account_state", "revoked_at")),),
    ),
)

DERIVED: Final[Mapping[str, tuple[str, ...]]] = {
    "keyshop.game_facets": ("games", "game_genres", "game_platforms", "game_tags"),
    "keyshop.game_description_terms": ("games",),
}
"""Tables that triggers derive from others in the same transaction; they need no triggers here."""
