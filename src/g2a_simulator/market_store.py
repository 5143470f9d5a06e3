"""Save the market to a state file, and load it."""

from decimal import Decimal
from typing import Literal

import msgspec

from g2a_simulator.catalogue import Catalogue, SavedProduct
from g2a_simulator.errors import InvalidCommand
from g2a_simulator.orders import Order, Orders
from g2a_simulator.state_file import StateFile, StateRecord
from g2a_simulator.wallet import Movement, Wallet

Mode = Literal["realistic", "sandbox"]


class Origin(msgspec.Struct, frozen=True):
    """What a catalogue is made from; saved changes are valid only for the same origin."""

    seed: int
    mode: Mode


class MarketStore:
    """Saves the changes of a market to its state file, and loads them."""

    def __init__(self, file: StateFile, origin: Origin) -> None:
        """
        Use a file for a market.

        Raises:
            InvalidCommand: the file belongs to a catalogue of another seed or mode.
        """
        self._file = file
        self._movements_saved = 0
        for _, body in file.read("origin"):
            saved = msgspec.json.decode(body, type=Origin)
            if saved != origin:
                raise InvalidCommand(
                    f"The state file belongs to seed {saved.seed} in {saved.mode} mode, not to seed "
                    f"{origin.seed} in {origin.mode} mode. Use those, or another file."
                )
        file.write([("origin", "", msgspec.json.encode(origin))])

    def load(self, catalogue: Catalogue, orders: Orders, wallet: Wallet) -> None:
        """Load the state in the file into a new market."""
        for id_, body in self._file.read("product"):
            catalogue.restore(int(id_), msgspec.json.decode(body, type=SavedProduct))
        for _, body in self._file.read("order"):
            orders.add(msgspec.json.decode(body, type=Order))
        orders.changed.clear()
        for _, body in self._file.read("balance"):
            wallet.balance = msgspec.json.decode(body, type=Decimal)
        for _, body in self._file.read("movement"):
            wallet.movements.append(msgspec.json.decode(body, type=Movement))
        self._movements_saved = len(wallet.movements)

    def save(self, catalogue: Catalogue, orders: Orders, wallet: Wallet) -> None:
        """Write what changed since the last call, if anything did."""
        records: list[StateRecord] = [
            (
                "product",
                str(catalogue.index.id_of(place)),
                msgspec.json.encode(catalogue.snapshot(place)),
            )
            for place in catalogue.changed
        ]
        records += [("order", id_, msgspec.json.encode(orders.get(id_))) for id_ in orders.changed]
        movements = wallet.movements[self._movements_saved :]
        for number, movement in enumerate(movements, self._movements_saved):
            records.append(("movement", str(number), msgspec.json.encode(movement)))
        if movements:
            records.append(("balance", "", msgspec.json.encode(wallet.balance)))
        if records:
            self._file.write(records)
        catalogue.changed.clear()
        orders.changed.clear()
        self._movements_saved = len(wallet.movements)

    def close(self) -> None:
        self._file.close()
