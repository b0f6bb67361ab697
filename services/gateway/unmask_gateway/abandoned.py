"""Erases what writers that were killed have left half-way in the object store."""

from datetime import UTC, datetime, timedelta

from unmask_shared.artifacts import UPLOADS_PREFIX, upload_key
from unmask_shared.object_store import ObjectStore, UnfinishedWrite


def abandoned_writes(store: ObjectStore, patience: timedelta) -> list[UnfinishedWrite]:
    """Writes to which nothing was added for so long.

    Direct uploads are none as long as their document is there: they may rest until they expire.
    """
    oldest = datetime.now(UTC) - patience
    return [
        write
        for write in store.unfinished()
        if write.active_at < oldest and not _is_direct_upload(store, write)
    ]


def erase_abandoned(store: ObjectStore, patience: timedelta) -> int:
    """Erase these writes, and return how many there were."""
    found = abandoned_writes(store, patience)
    for write in found:
        store.drop_unfinished(write)
    return len(found)


def _is_direct_upload(store: ObjectStore, write: UnfinishedWrite) -> bool:
    if write.key is None or not write.key.startswith(UPLOADS_PREFIX):
        return False
    return store.exists(upload_key(write.key.split("/")[1]))
