"""How often a key may be used, counted in Redis for all gateways together."""

import logging
import math
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import redis
from limits import RateLimitItemPerMinute
from limits.storage import RedisStorage
from limits.strategies import SlidingWindowCounterRateLimiter

from unmask_gateway.access.errors import TooManyRequests
from unmask_gateway.access.settings import LimitSettings

log = logging.getLogger(__name__)

_WINDOW_S: Final = 60
# After Redis failed, requests go uncounted for so long instead of waiting for it each.
_PAUSE_S: Final = 5.0
_PATIENCE_S: Final = 1.0


class Counted(StrEnum):
    """What is counted."""

    REQUESTS = "requests"
    UPLOADS = "uploads"


@dataclass(frozen=True, kw_only=True)
class LimitState:
    """Where a key stands with one limit.

    Attributes:
        counted: What is counted.
        quota: Most of it in a window.
        remaining: What is left of it.
        reset_s: Seconds until more is left.
        is_exceeded: Whether this request was one too many.
    """

    counted: Counted
    quota: int
    remaining: int
    reset_s: int
    is_exceeded: bool

    def check(self) -> None:
        """Return if the request was within the limit.

        Raises:
            TooManyRequests: It was not.
        """
        if self.is_exceeded:
            raise TooManyRequests(
                f"This key may be used for {self.quota} {self.counted} a minute.",
                retry_after_s=self.reset_s,
            )


class RateLimits:
    """Counts requests; safe to use from several threads."""

    def __init__(
        self,
        redis_url: str,
        settings: LimitSettings,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Prepare to count; nothing is contacted yet.

        Args:
            redis_url: Where it is counted.
            settings: The limits.
            clock: Seconds, by which Redis is left alone after it failed.
        """
        storage = RedisStorage(
            redis_url,
            key_prefix="unmask:limits",
            socket_timeout=_PATIENCE_S,
            socket_connect_timeout=_PATIENCE_S,
        )
        self._limiter = SlidingWindowCounterRateLimiter(storage)
        quotas = {
            Counted.REQUESTS: settings.requests_per_minute,
            Counted.UPLOADS: settings.uploads_per_minute,
        }
        self._limits = {
            counted: RateLimitItemPerMinute(quota) for counted, quota in quotas.items() if quota
        }
        self._clock = clock
        self._lock = threading.Lock()
        self._resume_at = -math.inf

    def hit(self, key_id: str, counted: Counted) -> LimitState | None:
        """Count one more of something.

        Returns:
            Where the key stands, or None when nobody knows: there is no such limit, or Redis is
            away. Then nothing is refused, since limits protect a service that would be down.
        """
        limit = self._limits.get(counted)
        if limit is None or self._clock() < self._resume_at:
            return None
        try:
            within = self._limiter.hit(limit, counted, key_id)
            window = self._limiter.get_window_stats(limit, counted, key_id)
        except redis.RedisError as error:
            self._pause(error)
            return None
        return LimitState(
            counted=counted,
            quota=limit.amount,
            remaining=window.remaining,
            reset_s=min(_WINDOW_S, max(1, math.ceil(window.reset_time - time.time()))),
            is_exceeded=not within,
        )

    def _pause(self, error: redis.RedisError) -> None:
        with self._lock:
            if self._clock() < self._resume_at:
                return  # another thread has said so
            self._resume_at = self._clock() + _PAUSE_S
        log.warning("requests are not limited: Redis failed (%s)", type(error).__name__)


def limit_headers(states: Iterable[LimitState]) -> dict[str, str]:
    """The fields of draft-ietf-httpapi-ratelimit-headers-10 for these limits; empty for none."""
    states = list(states)
    if not states:
        return {}
    return {
        "RateLimit-Policy": ", ".join(f'"{s.counted}";q={s.quota};w={_WINDOW_S}' for s in states),
        "RateLimit": ", ".join(f'"{s.counted}";r={s.remaining};t={s.reset_s}' for s in states),
    }
