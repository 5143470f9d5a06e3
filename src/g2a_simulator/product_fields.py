"""A product as the API emits it, decoded from JSON."""

from typing import TypedDict


class PriceLimit(TypedDict):
    """The price range for sellers; buyers have no limit."""

    max: float | None
    min: float | None


class Category(TypedDict):
    """A category; one id may come with several names."""

    id: int
    name: str


class Video(TypedDict):
    """A video about a product."""

    type: str
    url: str


class ProductJson(TypedDict):
    """The documented fields in their order; an overridden product may differ."""

    id: str
    name: str
    type: str
    slug: str
    qty: int
    minPrice: int | float
    retail_min_price: int | float
    retailMinBasePrice: int | float
    availableToBuy: bool
    thumbnail: str
    smallImage: str
    coverImage: str
    images: list[str]
    updated_at: str
    release_date: str
    region: str
    developer: str
    publisher: str
    platform: str
    priceLimit: PriceLimit
    restrictions: dict[str, bool]
    requirements: dict[str, dict[str, str]]
    videos: list[Video]
    categories: list[Category]
