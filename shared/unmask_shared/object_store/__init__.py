"""Where the bytes live: an S3 bucket, or a local folder with the same behaviour."""

from unmask_shared.object_store.local import LocalObjectStore
from unmask_shared.object_store.protocol import (
    ByteStream,
    ObjectEntry,
    ObjectStore,
    UnfinishedWrite,
)
from unmask_shared.object_store.s3 import S3ObjectStore, make_s3_store
from unmask_shared.object_store.traced import TracedObjectStore
from unmask_shared.settings import StoreSettings
from unmask_shared.tracing import tracer_provider

__all__ = [
    "ByteStream",
    "LocalObjectStore",
    "ObjectEntry",
    "ObjectStore",
    "S3ObjectStore",
    "UnfinishedWrite",
    "make_object_store",
]


def make_object_store(settings: StoreSettings) -> ObjectStore:
    """Build the store that the settings name, without touching the network.

    Its calls are parts of traces if tracing was started before.

    Raises:
        ObjectStoreUnavailable: The local folder cannot be made.
    """
    store: ObjectStore
    if settings.object_store == "local":
        store = LocalObjectStore(settings.data_dir / "store")
    else:
        store = make_s3_store(settings)
    return store if tracer_provider() is None else TracedObjectStore(store)
