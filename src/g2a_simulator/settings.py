"""How the simulated market behaves where the supplier's documents leave it open, or tests need it."""

from typing import Literal

import msgspec

from g2a_simulator.errors import Unusable


class Settings(msgspec.Struct, forbid_unknown_fields=True):
    """Everything that can be set while the simulator runs."""

    requests_per_minute: int | None = 600  # None lifts the limit
    page_ceiling: int | None = 500  # None lifts it
    latency_ms: float = 0.0
    processing_seconds: float = 0.5  # from payment to `complete`
    hold_seconds: float = 1800.0  # how long an unpaid order keeps its key from others
    drift_per_second: float = 0.0  # products whose price or stock changes by itself
    description: bool = False  # show the field that older answers had
    charged: Literal["minPrice", "retail_min_price"] = "minPrice"
    keys_are_files: bool = False
    above_max_price: Literal["BR02", "BR04", "ORD110"] = "BR02"  # undocumented
    out_of_stock: Literal["BR02", "BR04", "ORD110"] = "BR02"  # undocumented
    downloaded_already: Literal["ORD04", "ORD004", "ORD04 404"] = "ORD04"
    not_processed_yet: Literal["ORD06", "ORD05"] = "ORD06"
    second_payment: Literal["same answer", "ORD110", "ORD111"] = "same answer"


def changed(settings: Settings, changes: dict[str, object]) -> Settings:
    """
    Return the settings with some of them changed.

    Raises:
        Unusable: there is no such setting, or it cannot have this value.
    """
    try:
        new = msgspec.convert(msgspec.structs.asdict(settings) | changes, Settings)
    except msgspec.ValidationError as error:
        raise Unusable(f"These settings cannot be: {error}.") from error
    numbers = (getattr(new, name) for name in new.__struct_fields__)
    if any(isinstance(number, int | float) and number < 0 for number in numbers):
        raise Unusable("No setting can be below 0.")
    return new
