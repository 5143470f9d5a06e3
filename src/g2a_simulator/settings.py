"""How the market behaves where the supplier's documentation is silent, or where tests vary it."""

from typing import Literal

import msgspec

from g2a_simulator.errors import InvalidCommand


class MarketSettings(msgspec.Struct, forbid_unknown_fields=True):
    """The settings that can be changed while the simulator runs."""

    requests_per_minute: int | None = 600  # None lifts the limit
    page_ceiling: int | None = 500  # None lifts the limit
    latency_ms: float = 0.0
    processing_seconds: float = 0.5  # from payment to `complete`
    hold_seconds: float = 1800.0  # how long an unpaid order holds its key
    drift_per_second: float = 0.0  # products whose price or stock changes
    description: bool = False  # emit the description, which older answers had
    charged: Literal["minPrice", "retail_min_price"] = "minPrice"
    keys_are_files: bool = False
    above_max_price: Literal["BR02", "BR04", "ORD110"] = "BR02"  # undocumented
    out_of_stock: Literal["BR02", "BR04", "ORD110"] = "BR02"  # undocumented
    downloaded_already: Literal["ORD04", "ORD004", "ORD04 404"] = "ORD04"
    not_processed_yet: Literal["ORD06", "ORD05"] = "ORD06"
    second_payment: Literal["same answer", "ORD110", "ORD111"] = "same answer"


def apply_changes(settings: MarketSettings, changes: dict[str, object]) -> MarketSettings:
    """
    Return the settings with some of them changed.

    Raises:
        InvalidCommand: a setting does not exist, or its value is not valid.
    """
    try:
        new = msgspec.convert(msgspec.structs.asdict(settings) | changes, MarketSettings)
    except msgspec.ValidationError as error:
        raise InvalidCommand(f"Invalid settings: {error}.") from error
    numbers = (getattr(new, name) for name in new.__struct_fields__)
    if any(isinstance(number, int | float) and number < 0 for number in numbers):
        raise InvalidCommand("A setting must be 0 or more.")
    return new
