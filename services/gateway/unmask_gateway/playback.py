"""Addresses from which players load a video: they can send no API key.

Each has 256 random bits, is for one video, and lasts an hour at most, less when its key is revoked.
Redis has a hash of it, so nobody who reads there can play anything.
"""

import secrets
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from unmask_gateway.access.caller import Caller
from unmask_gateway.access.errors import PlaybackNotFound
from unmask_gateway.access.gate import Gate
from unmask_gateway.access.keys import sha256_of
from unmask_shared.job_store import Grant, RedisJobStore

TOKEN_PATTERN: Final = "^[0-9A-Za-z_-]{43}$"  # noqa: S105 - of any token
_TOKEN_BYTES: Final = 32
_LASTS: Final = timedelta(hours=1)


@dataclass(frozen=True, kw_only=True)
class PlaybackAddress:
    """Where a video can be played from.

    Attributes:
        token: Proves the right to play it.
        expires_at: Until when.
    """

    token: str
    expires_at: datetime


class Playback:
    """Hands addresses out and checks them; safe to use from several threads and gateways."""

    def __init__(self, jobs: RedisJobStore, gate: Gate) -> None:
        self._jobs = jobs
        self._gate = gate

    def begin(self, video_id: str, caller: Caller) -> PlaybackAddress:
        """Make an address for a video that the caller may see.

        Raises:
            JobStoreUnavailable: Redis does not answer.
        """
        token, expires_at = secrets.token_urlsafe(_TOKEN_BYTES), datetime.now(UTC) + _LASTS
        grant = Grant(video_id=video_id, key_id=caller.key_id)
        self._jobs.playbacks.note(sha256_of(token), grant, _LASTS.total_seconds())
        return PlaybackAddress(token=token, expires_at=expires_at)

    def video_of(self, token: str) -> str:
        """Id of the video that may be played.

        Raises:
            PlaybackNotFound: Nobody was given this token, it has expired, or its key was revoked.
            JobStoreUnavailable: Redis does not answer.
        """
        grant = self._jobs.playbacks.find(sha256_of(token))
        if grant is None or not self._gate.still_admits(grant.key_id):
            raise PlaybackNotFound("The address has expired, or never was one.")
        return grant.video_id
