"""Lists of batches: each has an object without content under its owner, named by its id.

Ids begin with their time, so names alone tell the order; documents are read for one page only.
"""

import logging
from datetime import datetime
from typing import Annotated, Any, Final

from pydantic import BaseModel, ConfigDict, Field

from unmask_gateway.access.caller import Caller
from unmask_gateway.batches.documents import Batch
from unmask_gateway.batches.open_batches import OpenBatches
from unmask_gateway.batches.view import BATCH_EXAMPLE
from unmask_shared.artifacts import (
    BATCH_LISTS_PREFIX,
    batch_cancellation_key,
    batch_key,
    batch_list_prefix,
)
from unmask_shared.errors import DamagedDocument
from unmask_shared.object_store import ObjectStore
from unmask_shared.records import read_document

log = logging.getLogger(__name__)

BATCHES_EXAMPLE: Final[dict[str, Any]] = {
    "batches": [
        {name: BATCH_EXAMPLE[name] for name in ("id", "created_at", "total", "is_cancelled")}
        | {"is_open": True}
    ],
    "damaged": [],
    "next_cursor": None,
}


class BatchSummary(BaseModel):
    """A batch in short; `GET /batches/{batch_id}` has the rest."""

    model_config = ConfigDict(frozen=True)

    id: str
    created_at: datetime
    total: Annotated[int, Field(ge=1, description="Number of items.")]
    is_open: Annotated[
        bool, Field(description="Whether items may still wait to become videos or problems.")
    ]
    is_cancelled: bool


class BatchPage(BaseModel):
    """Batches, newest first."""

    model_config = ConfigDict(frozen=True, json_schema_extra={"example": BATCHES_EXAMPLE})

    batches: Annotated[
        tuple[BatchSummary, ...],
        Field(description="Perhaps fewer than `limit`, even none, while there is a next page."),
    ]
    damaged: Annotated[
        tuple[str, ...], Field(description="Ids of batches whose documents cannot be read.")
    ]
    next_cursor: Annotated[
        str | None, Field(description="Send it as `cursor` for the next page; null on the last.")
    ]


class BatchListing:
    """Lists batches; safe to use from several threads and gateways."""

    def __init__(self, store: ObjectStore, open_batches: OpenBatches) -> None:
        self._store = store
        self._open = open_batches

    def page(self, caller: Caller, *, limit: int, before: str | None) -> BatchPage:
        """Batches of this caller, or of all if he may see them.

        Args:
            caller: Who asks.
            limit: Most batches of the page.
            before: Id of the last batch of the page before.

        Raises:
            ObjectStoreUnavailable: The store failed.
        """
        mine = BATCH_LISTS_PREFIX if caller.sees_all else batch_list_prefix(caller.key_id)
        ids = sorted((key.rpartition("/")[2] for key in self._store.keys(mine)), reverse=True)
        rest = [batch_id for batch_id in ids if before is None or batch_id < before]
        shown = rest[:limit]
        open_ids = set(self._open.ids())
        found, damaged = [], []
        for batch_id in shown:
            try:
                # One that is being accepted or erased at this moment has no document.
                if batch := read_document(self._store, batch_key(batch_id), Batch):
                    found.append(self._summary(batch, open_ids))
            except DamagedDocument as error:
                log.warning("%s", error.detail)
                damaged.append(batch_id)
        return BatchPage(
            batches=tuple(found),
            damaged=tuple(damaged),
            next_cursor=shown[-1] if len(rest) > limit else None,
        )

    def _summary(self, batch: Batch, open_ids: set[str]) -> BatchSummary:
        return BatchSummary(
            id=batch.id,
            created_at=batch.created_at,
            total=batch.total,
            is_open=batch.id in open_ids,
            is_cancelled=self._store.exists(batch_cancellation_key(batch.id)),
        )
