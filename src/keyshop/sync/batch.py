"""What has been read of the supplier's list and not been written yet."""

from keyshop.catalog.models import SupplierGame
from keyshop.supplier.models import ProductPage
from keyshop.sync.models import PageLost
from keyshop.sync.read_pages import Answer
from keyshop.sync.rules import BATCH, RunKind, SyncPolicy, Unsellable, as_game


class Batch:
    """Pages that are written together, product by product as the shop takes them."""

    def __init__(self, kind: RunKind, policy: SyncPolicy) -> None:
        self._kind = kind
        self._policy = policy
        self.pages = 0
        self.total: int | None = None
        self.games: dict[str, SupplierGame] = {}
        self.refused: list[tuple[int, Unsellable]] = []
        self.lost: list[PageLost] = []
        self.seen: list[str] = []

    @property
    def is_full(self) -> bool:
        """Test whether it is time to write."""
        return len(self.seen) + len(self.lost) >= BATCH

    def add(self, answer: Answer) -> None:
        """Take a page, or the word that it was lost."""
        if isinstance(answer, PageLost):
            self.lost.append(answer)
            return
        self.pages += 1
        # The largest counts: a list that shrank while it was read may have been read with gaps.
        self.total = max(self.total or 0, answer.total)
        self._take_products(answer)
        self._take_rejected(answer)

    def _take_products(self, page: ProductPage) -> None:
        for product in page.products:
            self.seen.append(product.id)
            taken = as_game(product, kind=self._kind, policy=self._policy)
            if isinstance(taken, Unsellable):
                self.refused.append((page.number, taken))
            else:
                self.games[product.id] = taken

    def _take_rejected(self, page: ProductPage) -> None:
        for place, entry in enumerate(page.rejected):
            # An entry without an id counts as answered too; its place tells it from others.
            self.seen.append(entry.id or f"{page.number}/{place}")
            self.refused.append((page.number, Unsellable(entry.id or "", entry.reason)))
