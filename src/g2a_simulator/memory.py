"""What of the market is kept in a state file, and how it comes back."""

from decimal import Decimal
from typing import Literal

import msgspec

from g2a_simulator.catalogue import Catalogue, SavedProduct
from g2a_simulator.errors import Unusable
from g2a_simulator.orders import Order, Orders
from g2a_simulator.state_file import Fact, StateFile
from g2a_simulator.wallet import Movement, Wallet

Mode = Literal["realistic", "sandbox"]


class Origin(msgspec.Struct, frozen=True):
    """What a catalogue grew from; changes of another one's products would make no sense."""

    seed: int
    mode: Mode


class Memory:
    """Writes the changes of a market into its state file, and reads them back."""

    def __init__(self, file: StateFile, origin: Origin) -> None:
        """
        Take a file over for a market.

        Raises:
            Unusable: the file belongs to a catalogue of another seed or mode.
        """
        self._file = file
        self._movements_saved = 0
        for _, body in file.read("origin"):
            kept = msgspec.json.decode(body, type=Origin)
            if kept != origin:
                raise Unusable(
                    f"The state file belongs to seed {kept.seed} in {kept.mode} mode, not to seed "
                    f"{origin.seed} in {origin.mode} mode. Use those, or another file."
                )
        file.write([("origin", "", msgspec.json.encode(origin))])

    def recall(self, catalogue: Catalogue, orders: Orders, wallet: Wallet) -> None:
        """Bring a new market into the state that the file holds."""
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

    def keep(self, catalogue: Catalogue, orders: Orders, wallet: Wallet) -> None:
        """Write what changed since the last time; nothing when nothing did."""
        facts: list[Fact] = [
            ("product", str(catalogue.id_of(place)), msgspec.json.encode(catalogue.snapshot(place)))
            for place in catalogue.changed
        ]
        facts += [("order", id_, msgspec.json.encode(orders.get(id_))) for id_ in orders.changed]
        moved = wallet.movements[self._movements_saved :]
        for number, movement in enumerate(moved, self._movements_saved):
            facts.append(("movement", str(number), msgspec.json.encode(movement)))
        if moved:
            facts.append(("balance", "", msgspec.json.encode(wallet.balance)))
        if facts:
            self._file.write(facts)
        catalogue.changed.clear()
        orders.changed.clear()
        self._movements_saved = len(wallet.movements)

    def close(self) -> None:
        """Close the file."""
        self._file.close()
