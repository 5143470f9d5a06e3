"""What orders need of a process of the shop."""

from msgspec import Struct

from keyshop.keys.settings import Vault
from keyshop.kit.high_water_mark import HighWaterMark
from keyshop.orders.models import BuyingPolicy
from keyshop.orders.settings import OrderLimits


class OrderParts(Struct, frozen=True, kw_only=True):
    """The parts that are made once, when a process starts."""

    vault: Vault
    mark: HighWaterMark
    """Of the deliveries of own keys that this process has committed."""

    limits: OrderLimits = OrderLimits()
    policy: BuyingPolicy = BuyingPolicy()
