"""What the object store holds of one video."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import groupby
from typing import Generic, TypeVar

from pydantic import BaseModel

from unmask_shared.artifacts import VIDEOS_PREFIX, video_prefix
from unmask_shared.errors import DamagedDocument
from unmask_shared.object_store import ObjectEntry, ObjectStore
from unmask_shared.records import read_document

Document = TypeVar("Document", bound=BaseModel)


@dataclass(frozen=True, kw_only=True)
class StoredVideo:
    """The objects of one video.

    Attributes:
        id: Of the video.
        objects: By their keys.
    """

    id: str
    objects: dict[str, ObjectEntry]

    @property
    def age(self) -> timedelta:
        """Time since anything was written."""
        return datetime.now(UTC) - max(entry.modified_at for entry in self.objects.values())


@dataclass(frozen=True, kw_only=True)
class Reading(Generic[Document]):
    """An attempt to read a document.

    Attributes:
        document: None where there is none, or none that can be read.
        damage: What is wrong with the one that is there.
    """

    document: Document | None = None
    damage: str | None = None


def stored_videos(store: ObjectStore) -> Iterator[StoredVideo]:
    """Yield all videos, with one of them in memory at a time."""
    for video_id, objects in groupby(
        store.entries(VIDEOS_PREFIX), key=lambda entry: entry.key.split("/")[1]
    ):
        yield StoredVideo(id=video_id, objects={entry.key: entry for entry in objects})


def stored_video(store: ObjectStore, video_id: str) -> StoredVideo | None:
    """Look at one video again; None if nothing is left of it."""
    objects = {entry.key: entry for entry in store.entries(video_prefix(video_id))}
    return StoredVideo(id=video_id, objects=objects) if objects else None


def read(store: ObjectStore, key: str, kind: type[Document]) -> Reading[Document]:
    """Read a document, whatever it is like."""
    try:
        return Reading(document=read_document(store, key, kind))
    except DamagedDocument as error:
        return Reading(damage=error.detail)


def older_than(entries: Iterable[ObjectEntry], age: timedelta) -> Iterator[ObjectEntry]:
    """Those that were written so long ago."""
    oldest = datetime.now(UTC) - age
    return (entry for entry in entries if entry.modified_at < oldest)
