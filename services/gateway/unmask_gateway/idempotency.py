"""Remembers which video an Idempotency-Key stands for, so that a request may be sent again.

What a key stands for is written once, into the object store, after the file and before the video's
record, and holds the record: whoever finds one without the other completes it. So a key survives
what a video survives, and of two equal requests at the same time one becomes the video of both.
"""

import hashlib
import json
from datetime import UTC, datetime, timedelta
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from unmask_shared.artifacts import IDEMPOTENCY_PREFIX, idempotency_key
from unmask_shared.object_store import ObjectStore
from unmask_shared.records import read_document
from unmask_shared.videos import AnalysisOptions, VideoRecord


class BoundKey(BaseModel):
    """The document: what a key stands for."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    schema_version: Literal[1] = 1
    fingerprint: Annotated[str, Field(description="Hash of what the request asked for.")]
    record: Annotated[VideoRecord, Field(description="The record of its video.")]


class IdempotencyKeys:
    """Binds keys to videos; safe to use from several threads and gateways."""

    def __init__(self, store: ObjectStore) -> None:
        self._store = store

    @staticmethod
    def name(key: str | None, owner: str | None) -> str | None:
        """Object key of what a client's key stands for; None where the client sent none.

        Args:
            key: What the client sent.
            owner: Id of the client's API key; clients cannot meet each other's keys.
        """
        if key is None:
            return None
        return idempotency_key(hashlib.sha256(f"{owner or ''}\n{key}".encode()).hexdigest())

    def find(self, name: str) -> BoundKey | None:
        """Return what a key stands for, if it came before."""
        return read_document(self._store, name, BoundKey)

    def bind(self, name: str, fingerprint: str, record: VideoRecord) -> BoundKey | None:
        """Let a key stand for a video from now on.

        Returns:
            What the key stands for already, or None if it stands for this video now.
        """
        document = BoundKey(fingerprint=fingerprint, record=record)
        data = document.model_dump_json(indent=1).encode()
        while not self._store.create(name, data, content_type="application/json"):
            if bound := self.find(name):
                return bound  # otherwise it was erased between the two
        return None

    def erase_expired(self, ttl: timedelta) -> int:
        """Forget the keys that are older than this, and return how many there were."""
        oldest = datetime.now(UTC) - ttl
        expired = [
            entry.key
            for entry in self._store.entries(IDEMPOTENCY_PREFIX)
            if entry.modified_at < oldest
        ]
        for key in expired:
            self._store.delete_prefix(key)
        return len(expired)


def fingerprint_of(
    source: str,
    options: AnalysisOptions,
    *,
    filename: str | None = None,
    webhook_url: str | None = None,
) -> str:
    """Hash of what tells one request from others.

    Args:
        source: Where the file comes from, or what is in it.
        options: What is asked for; defaults count like options that were not sent, so that an
            upgrade that brings a new one does not make a repeated request another one.
        filename: What the client calls the file.
        webhook_url: Where the outcome is to be sent.
    """
    asked = {
        "source": source,
        "filename": filename,
        "webhook_url": webhook_url,
        "options": options.model_dump(mode="json", exclude_defaults=True),
    }
    return hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()
