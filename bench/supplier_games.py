"""Products of the supplier, generated from a number."""

from datetime import timedelta
from decimal import Decimal
from typing import Final

from msgspec.structs import replace

from keyshop.catalog.models import Description, Offer, SupplierGame
from keyshop.kit.clock import utc_now

_WORDS: Final = (
    "Dark",
    "Lost",
    "Iron",
    "Kingdom",
    "Horizon",
    "Legends",
    "Empire",
    "Racer",
    "Quest",
)
_CATEGORIES: Final = ("Action", "Adventure", "RPG", "Strategy", "Indie", "Racing", "Sports")
_PLATFORMS: Final = ("Steam", "Xbox Live", "PSN", "GOG.COM")


def supplier_game(place: int) -> SupplierGame:
    """Return the product with this number, with description and price."""
    number = 10_000_000 + place
    price = Decimal(199 + place * 7 % 6_000) / 100
    words = " ".join(_WORDS[(place // 9**power) % 9] for power in range(3))
    return SupplierGame(
        offer=Offer(
            product_id=str(number),
            price=(price * Decimal("1.02")).quantize(Decimal("0.01")),
            in_stock=place % 7 > 0,
            qty=place % 7 * 10,
            available_to_buy=place % 7 > 0,
            min_price=price,
            retail_min_price=price,
            retail_min_base_price=price,
        ),
        description=Description(
            title=f"{words} {place} PC Steam Key GLOBAL",
            image=f"https://images.example/{number}/cover.jpg",
            images=tuple(f"https://images.example/{number}/{i}.jpg" for i in range(3)),
            region="GLOBAL",
            publisher=f"Publisher {place % 800}",
            release_date=utc_now().replace(hour=0, minute=0, second=0, microsecond=0)
            - timedelta(days=place % 4000),
            platform=_PLATFORMS[place % 4],
            categories=(_CATEGORIES[place % 7], _CATEGORIES[(place + 3) % 7]),
            text=None,
        ),
    )


def dearer(game: SupplierGame) -> SupplierGame:
    """Return the same product, one euro dearer."""
    offer = game.offer
    assert offer.price is not None
    assert offer.min_price is not None
    return replace(
        game,
        offer=replace(offer, price=offer.price + 1, min_price=offer.min_price + 1),
    )
