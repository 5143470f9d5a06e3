"""
What is cached, and which rows it is made from.

The families come first, the tables after them. The triggers of the shop's tables are derived from
this page: whoever changes it writes a migration, and a test compares the two. A table or a column
that no answer is made from stands nowhere here, and its changes invalidate nothing.
"""

from collections.abc import Mapping
from datetime import timedelta
from typing import Final

from msgspec import Struct

from keyshop.kit.cache.families import Family

_MINUTE: Final = timedelta(minutes=1)
_HOUR: Final = timedelta(hours=1)

# Groups are invalidated as a whole: what can concern many owners at once, and what would be too
# many keys. Every family is in exactly one.

GAMES: Final = "games"  # one game each
HOME: Final = "home"  # the lists of the home page
CATALOG: Final = "catalog"  # whatever shows many games, or names of the catalogue
PRICES: Final = "prices"  # carts and wishlists, which show games with their prices
TITLES: Final = "titles"  # orders, which show games with their titles
PROFILES: Final = "profiles"
TRANSACTIONS: Final = "transactions"
ACCESS: Final = "access"

GROUPS: Final = (GAMES, HOME, CATALOG, PRICES, TITLES, PROFILES, TRANSACTIONS, ACCESS)

MAX_KEYS: Final = 500
"""More keys than this of one family in a statement become the family's group."""

# A part named `digest` is `families.digest` of a text, every other one is the row's id.

GAME: Final = Family(name="game", pattern="game:{id}", ttl=_HOUR, group=GAMES)
GAME_BY_SLUG: Final = Family(
    name="game_by_slug", pattern="game:slug:{digest}", ttl=_HOUR, group=GAMES
)
# Made from other games as much as from its own.
SIMILAR: Final = Family(name="similar", pattern="game:{id}:similar", ttl=_HOUR, group=CATALOG)

HOME_BEST_SELLERS: Final = Family(
    name="home_best_sellers", pattern="home:bestSellers", ttl=_HOUR, group=HOME
)
# Of the genre's name or slug, in lower case.
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
# Of the genre's name or slug, in lower case.
BY_GENRE: Final = Family(
    name="by_genre", pattern="catalog:genre:{digest}", ttl=_HOUR, group=CATALOG
)
# Of the page's parameters, in one order and one spelling.
CATALOG_PAGE: Final = Family(
    name="catalog_page", pattern="catalog:page:{digest}", ttl=_HOUR, group=CATALOG
)
# Of what was typed.
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
# The lines of a visitor who is not signed in, by the id in the cookie: whoever has read the keys of
# Redis cannot be that visitor.
GUEST_CART: Final = Family(
    name="guest_cart", pattern="session:{digest}:cart", ttl=30 * _MINUTE, group=PRICES
)
GUEST_WISHLIST: Final = Family(
    name="guest_wishlist", pattern="session:{digest}:wishlist", ttl=_HOUR, group=PRICES
)
# What decides whether a token is still good, and for what.
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
    GUEST_CART,
    GUEST_WISHLIST,
    USER_ACCESS,
)


class JoinedColumn(Struct, frozen=True):
    """A key's part that stands in another row: this column of the table's row of that id."""

    table: str
    column: str


class Key(Struct, frozen=True):
    """A row that changes in these columns takes this family's key, of its old and new values."""

    family: Family
    of: str
    """The column that holds the part, or the id by which it is found; without a value, no key."""

    columns: tuple[str, ...]
    found: JoinedColumn | None = None


class Group(Struct, frozen=True):
    """A row that changes in these columns takes this group."""

    name: str
    columns: tuple[str, ...]
    when_added: bool = True
    """Whether a new row concerns the group as well."""


class Source(Struct, frozen=True):
    """A table and what its rows take; TRUNCATE takes the groups of all of it."""

    table: str
    """In schema public, or with `keyshop.` before it."""

    primary_key: tuple[str, ...]
    keys: tuple[Key, ...] = ()
    groups: tuple[Group, ...] = ()


# What of a game any answer shows or sorts by. Its stock at the supplier, when that was read, its
# ratings and languages for other applications, and updatedAt are in none.
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
# A profile counts what was bought and saved.
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
_SLUG: Final = JoinedColumn("games", "slug")
_OWNER: Final = JoinedColumn("orders", "userId")


def _links(table: str, name: str, *more_groups: str) -> Source:
    """Return what the links between games and names take: the game's keys, and every list."""
    columns = ("gameId", name)
    return Source(
        table,
        columns,
        keys=(Key(GAME, "gameId", columns), Key(GAME_BY_SLUG, "gameId", columns, _SLUG)),
        groups=tuple(Group(group, columns) for group in (HOME, CATALOG, *more_groups)),
    )


def _names(table: str, *more_groups: str) -> Source:
    """Return what names take: all games that bear them; a new one is only a name to choose."""
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
            # A new game is in nobody's cart and in no order; foreign keys see to that.
            Group(PRICES, _GAME_IN_CART, when_added=False),
            Group(TITLES, _GAME_IN_ORDER, when_added=False),
        ),
    ),
    _links("game_genres", "genreId"),
    _links("game_platforms", "platformId", PRICES),
    _links("game_tags", "tagId"),
    _links("game_categories", "categoryId"),
    _names("genres"),
    _names("platforms", PRICES),
    _names("tags"),
    _names("categories"),
    Source(
        "users",
        ("id",),
        keys=(Key(PROFILE, "id", _USER_IN_PROFILE), Key(USER_ACCESS, "id", _USER_IN_ACCESS)),
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
"""Tables that triggers keep from others in the same transaction, and so need none of their own."""
