"""What the worker uses of the shop."""

from typing import Protocol

from keyshop.accounts.dependencies import AccountServices
from keyshop.kit.database.pool import Database
from keyshop.mail.protocol import Mailer
from keyshop.orders.dependencies import OrderParts


class WorkerShop(Protocol):
    """The parts of the running shop that jobs use."""

    @property
    def db(self) -> Database:
        """The open database."""
        ...

    @property
    def database_url(self) -> str:
        """The database's address: the worker claims jobs on a connection of its own."""
        ...

    @property
    def accounts(self) -> AccountServices:
        """What accounts work with."""
        ...

    @property
    def orders(self) -> OrderParts:
        """What orders work with."""
        ...

    @property
    def mailer(self) -> Mailer:
        """Sends mails."""
        ...

    @property
    def public_url(self) -> str:
        """The address under which customers reach the shop."""
        ...

    async def run_full_sync(self) -> object:
        """
        Read the supplier's whole catalogue; an incomplete run is recorded as such.

        Raises:
            Conflict: a full sync is running already.
        """
        ...

    async def run_stock_check(self) -> object:
        """
        Update prices and stock from the supplier.

        Raises:
            Conflict: a stock check is running already.
        """
        ...
