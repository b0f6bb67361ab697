"""Keeps API keys in the object store, which is the truth, and remembers them for seconds."""

import logging
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from unmask_gateway.access.errors import ApiKeyNotFound
from unmask_gateway.access.keys import ApiKey, PresentedKey, Scope, make_key
from unmask_shared.errors import DamagedDocument
from unmask_shared.object_store import ObjectStore
from unmask_shared.records import read_document, write_document

log = logging.getLogger(__name__)

KEYS_PREFIX: Final = "keys/"
# A revoked key works no longer than this in any gateway.
CACHE_S: Final = 5.0
_MOST_CACHED: Final = 4096


@dataclass(frozen=True, kw_only=True)
class StoredKeys:
    """All keys.

    Attributes:
        keys: Also those that were revoked, the newest first.
        damaged: Names, in `keys/`, of documents that are not those of a key; usually `ID.json`.
    """

    keys: tuple[ApiKey, ...]
    damaged: tuple[str, ...]


class KeyStore:
    """API keys; safe to use from several threads, and by any number of gateways."""

    def __init__(self, store: ObjectStore, *, clock: Callable[[], float] = time.monotonic) -> None:
        """Prepare to read keys.

        Args:
            store: Where their documents are.
            clock: Seconds, by which what is remembered grows old.
        """
        self._store = store
        self._clock = clock
        self._lock = threading.Lock()
        # What is not there is remembered too: a stream of wrong keys costs the store little.
        self._cache: OrderedDict[str, tuple[float, ApiKey | None]] = OrderedDict()

    def create(self, name: str, scopes: frozenset[Scope]) -> tuple[ApiKey, PresentedKey]:
        """Make and keep a new key; what it is presented as can never be told again.

        Raises:
            pydantic.ValidationError: Name or scopes are not those of a key.
            ObjectStoreUnavailable: The store failed.
        """
        key, presented = make_key(name, scopes)
        self._write(key)
        return key, presented

    def all(self) -> StoredKeys:
        """Every key, and what should be one: a single damaged document hides no others.

        Raises:
            ObjectStoreUnavailable: The store failed.
        """
        keys, damaged = [], []
        for document in self._store.keys(KEYS_PREFIX):
            try:
                if (key := read_key(self._store, document)) is not None:
                    keys.append(key)
            except DamagedDocument as error:
                log.warning("%s", error.detail)
                damaged.append(document.removeprefix(KEYS_PREFIX))
        keys.sort(key=lambda key: (key.created_at, key.id), reverse=True)
        return StoredKeys(keys=tuple(keys), damaged=tuple(damaged))

    def revoke(self, key_id: str) -> ApiKey:
        """End a key for good. Its document stays, since videos name it as their owner.

        Raises:
            ApiKeyNotFound: There is no such key.
            DamagedDocument: Its document is not that of a key.
            ObjectStoreUnavailable: The store failed.
        """
        key = read_key(self._store, _document_key(key_id))
        if key is None:
            raise ApiKeyNotFound(f"No API key has the id {key_id}.")
        if key.revoked_at is None:
            key = key.model_copy(update={"revoked_at": datetime.now(UTC)})
            self._write(key)
        return key

    def find(self, key_id: str) -> ApiKey | None:
        """The key with this id as it was at most `CACHE_S` ago, or None.

        Raises:
            DamagedDocument: Its document is not that of a key.
            ObjectStoreUnavailable: The store failed.
        """
        with self._lock:
            read_at, key = self._cache.get(key_id, (float("-inf"), None))
        if self._clock() - read_at <= CACHE_S:
            return key
        # Noted before reading: what changes meanwhile must not count as read after it.
        read_at = self._clock()
        key = read_key(self._store, _document_key(key_id))
        self._remember(key_id, read_at, key)
        return key

    def _write(self, key: ApiKey) -> None:
        write_document(self._store, _document_key(key.id), key)
        with self._lock:
            self._cache.pop(key.id, None)

    def _remember(self, key_id: str, read_at: float, key: ApiKey | None) -> None:
        with self._lock:
            self._cache[key_id] = (read_at, key)
            self._cache.move_to_end(key_id)
            while len(self._cache) > _MOST_CACHED:
                self._cache.popitem(last=False)


def read_key(store: ObjectStore, document: str) -> ApiKey | None:
    """Return the key whose document this is, or None when it is gone.

    Args:
        store: Where it is.
        document: Its object key.

    Raises:
        DamagedDocument: It is not the document of a key, or that of another one.
        ObjectStoreUnavailable: The store failed.
    """
    key = read_document(store, document, ApiKey)
    if key is not None and document != _document_key(key.id):
        raise DamagedDocument(f"{document} is about the key {key.id}.")
    return key


def _document_key(key_id: str) -> str:
    return f"{KEYS_PREFIX}{key_id}.json"
