"""Takes the URLs to which callers want the outcomes of their videos sent."""

from unmask_gateway.webhooks.settings import WebhookSettings
from unmask_shared.artifacts import webhook_key
from unmask_shared.errors import WebhooksOff
from unmask_shared.object_store import ObjectStore


class WebhookTargets:
    """Checks URLs, and notes that a message will be due."""

    def __init__(self, store: ObjectStore, settings: WebhookSettings) -> None:
        self._store = store
        self._settings = settings

    def check(self, url: str | None) -> None:
        """Return if outcomes can be sent there; nothing is resolved or connected to yet.

        Raises:
            WebhooksOff: This installation sends none.
            SourceUrlRefused: The URL is not allowed.
        """
        if url is None:
            return
        if self._settings.secret is None:
            raise WebhooksOff("This installation has no secret to sign webhooks with.")
        self._settings.check(url)

    def expect(self, name: str) -> None:
        """Note that a message will be due when the video or batch has ended.

        Raises:
            ObjectStoreUnavailable: The store failed.
        """
        self._store.put(webhook_key(name), b"", content_type="application/octet-stream")

    def forget(self, name: str) -> None:
        """Note that no message is due any more.

        Raises:
            ObjectStoreUnavailable: The store failed.
        """
        self._store.delete_prefix(webhook_key(name))
