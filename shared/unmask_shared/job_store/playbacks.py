"""Who may play which video for a while, without sending a key."""

from dataclasses import dataclass
from typing import Final, cast

import redis
from pydantic import TypeAdapter

from unmask_shared.job_store.connection import Keys, milliseconds, translated


@dataclass(frozen=True, kw_only=True)
class Grant:
    """The right to play one video.

    Attributes:
        video_id: The video.
        key_id: Id of the API key by which it was asked for; None where no key is asked for.
    """

    video_id: str
    key_id: str | None


_GRANT: Final = TypeAdapter(Grant)


class Playbacks:
    """Notes and finds; every method raises `JobStoreUnavailable` when Redis does not answer."""

    def __init__(self, client: "redis.Redis", keys: Keys) -> None:
        self._redis = client
        self._keys = keys

    def note(self, digest: str, grant: Grant, ttl_s: float) -> None:
        """Note a right under the hash of what proves it; forgotten after this time."""
        text = _GRANT.dump_json(grant).decode()
        with translated():
            self._redis.set(self._keys.playback(digest), text, px=milliseconds(ttl_s))

    def find(self, digest: str) -> Grant | None:
        """The right under this hash; None once it is forgotten."""
        with translated():
            text = cast("str | None", self._redis.get(self._keys.playback(digest)))
        return None if text is None else _GRANT.validate_json(text)
