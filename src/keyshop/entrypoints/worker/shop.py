"""What the worker needs of the shop."""

from typing import Protocol

from keyshop.accounts.services import AccountServices
from keyshop.kit.database.pool import Database
from keyshop.mail.protocol import Mailer


class WorkerShop(Protocol):
    """The running shop, as far as jobs use it."""

    @property
    def db(self) -> Database:
        """The open database."""
        ...

    @property
    def database_url(self) -> str:
        """Where that database is: the worker listens on a connection of its own."""
        ...

    @property
    def accounts(self) -> AccountServices:
        """What accounts work with."""
        ...

    @property
    def mailer(self) -> Mailer:
        """What carries mails."""
        ...

    @property
    def public_url(self) -> str:
        """The address under which customers reach the shop."""
        ...

    async def run_full_sync(self) -> object:
        """
        Read the supplier's whole catalogue; a run that stays incomplete says so in its record.

        Raises:
            Conflict: such a run is going on already.
        """
        ...

    async def run_stock_check(self) -> object:
        """
        Look at the supplier's prices and stock.

        Raises:
            Conflict: such a check is going on already.
        """
        ...
