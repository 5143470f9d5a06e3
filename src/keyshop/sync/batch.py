"""Pages of the supplier's list that are written together in one transaction."""

from msgspec.structs import replace

from keyshop.catalog.models import SupplierGame
from keyshop.supplier.models import ProductPage
from keyshop.sync.models import LostPage
from keyshop.sync.read_pages import PageResult
from keyshop.sync.rules import BATCH_SIZE, Rejection, RunKind, SyncPolicy, as_game


class Batch:
    """What has been read and not written yet: games to merge, rejected products and lost pages."""

    def __init__(self, kind: RunKind, policy: SyncPolicy) -> None:
        self._kind = kind
        self._policy = policy
        self.pages = 0
        self.total: int | None = None
        self.games: dict[str, SupplierGame] = {}
        self.rejections: list[Rejection] = []
        self.lost_pages: list[LostPage] = []
        self.seen: list[str] = []

    @property
    def is_full(self) -> bool:
        return len(self.seen) + len(self.lost_pages) >= BATCH_SIZE

    def add(self, result: PageResult) -> None:
        if isinstance(result, LostPage):
            self.lost_pages.append(result)
            return
        self.pages += 1
        # The largest counts: a list that shrank while it was read may have been read with gaps.
        self.total = max(self.total or 0, result.total)
        self._add_products(result)
        self._add_rejected(result)

    def _add_products(self, page: ProductPage) -> None:
        for product in page.products:
            self.seen.append(product.id)
            game = as_game(product, kind=self._kind, policy=self._policy)
            if isinstance(game, Rejection):
                self.rejections.append(replace(game, page=page.number))
            else:
                self.games[product.id] = game

    def _add_rejected(self, page: ProductPage) -> None:
        for index, entry in enumerate(page.rejected):
            # An entry without an id counts as answered too; its index tells it from others.
            self.seen.append(entry.id or f"{page.number}/{index}")
            self.rejections.append(Rejection(entry.id or "", entry.reason, page.number))
