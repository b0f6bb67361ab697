"""Batches that may have items without an outcome, and what is still to be fetched for them.

Each has one object, named by batch and owner, that holds what the items are. It goes when every
item has an outcome, so that signed URLs are not kept after their use.
"""

from typing import Final

from unmask_gateway.access.errors import TooManyOpenBatches
from unmask_gateway.batches.documents import Batch, OldItems, WantedItems
from unmask_gateway.json_submissions import VideoSubmission
from unmask_shared.artifacts import (
    OPEN_BATCHES_PREFIX,
    batch_key,
    open_batch_key,
    open_batch_prefix,
)
from unmask_shared.object_store import ObjectStore
from unmask_shared.records import read_document, write_document

# Nobody knows when a batch is through; asking more often is of no use.
_RETRY_AFTER_S: Final = 10


class OpenBatches:
    """Notes which batches are open; safe to use from several threads and gateways."""

    def __init__(self, store: ObjectStore, *, most_per_key: int) -> None:
        """Prepare to note.

        Args:
            store: Where it is noted.
            most_per_key: Open batches that a limited key may have; 0 for any number.
        """
        self._store = store
        self._most_per_key = most_per_key

    def open(self, batch: Batch, items: tuple[VideoSubmission, ...]) -> None:
        """Note that a batch is open, and what its items are.

        Raises:
            TooManyOpenBatches: Its owner has as many as it may have; nothing is noted.
            ObjectStoreUnavailable: The store failed.
        """
        self.note(batch, items)
        if not (batch.is_limited and self._most_per_key):
            return
        # Counted behind its own, or several that come at the same time would all find room.
        others = sum(name.endswith(f".{batch.owner}.json") for name in self._names()) - 1
        if others >= self._most_per_key:
            self.close(batch.id)
            raise TooManyOpenBatches(
                f"{others} batches of this key have items that wait; {self._most_per_key} may.",
                retry_after_s=_RETRY_AFTER_S,
            )

    def note(self, batch: Batch, items: tuple[VideoSubmission, ...]) -> None:
        """Note it of a batch that was let in before; raises `ObjectStoreUnavailable`."""
        write_document(self._store, open_batch_key(batch.id, batch.owner), WantedItems(items=items))

    def ids(self) -> list[str]:
        """Ids of all open batches, the oldest first; raises `ObjectStoreUnavailable`."""
        return sorted({name.partition(".")[0] for name in self._names()})

    def items(self, batch: Batch) -> tuple[VideoSubmission, ...]:
        """What the items of a batch are; none once it is closed.

        Raises:
            DamagedDocument: It cannot be read.
            ObjectStoreUnavailable: The store failed.
        """
        wanted = read_document(self._store, open_batch_key(batch.id, batch.owner), WantedItems)
        if wanted is not None:
            return wanted.items
        # Batches that were accepted by an earlier version name them in their own document.
        old = read_document(self._store, batch_key(batch.id), OldItems)
        return old.items if old else ()

    def close(self, batch_id: str) -> None:
        """Note that every item has an outcome, or will never get one."""
        self._store.delete_prefix(open_batch_prefix(batch_id))

    def _names(self) -> list[str]:
        keys = self._store.keys(OPEN_BATCHES_PREFIX)
        return [key.removeprefix(OPEN_BATCHES_PREFIX) for key in keys]
