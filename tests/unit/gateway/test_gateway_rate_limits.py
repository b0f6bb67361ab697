import pytest
import redis
from real_services import ValkeyServer

from unmask_gateway.access.errors import TooManyRequests
from unmask_gateway.access.rate_limits import Counted, LimitState, RateLimits, limit_headers
from unmask_gateway.access.settings import LimitSettings


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def settings(requests: int = 2, uploads: int = 0) -> LimitSettings:
    return LimitSettings(requests_per_minute=requests, uploads_per_minute=uploads)


def test_gateways_count_together(redis_url: str) -> None:
    here, elsewhere = RateLimits(redis_url, settings()), RateLimits(redis_url, settings())
    states = [limits.hit("key", Counted.REQUESTS) for limits in (here, elsewhere, here)]
    assert [state.remaining for state in states if state] == [1, 0, 0]
    assert [state.is_exceeded for state in states if state] == [False, False, True]
    with pytest.raises(TooManyRequests, match="2 requests"):
        [state.check() for state in states if state]


def test_what_is_counted_expires_by_itself(redis_url: str) -> None:
    RateLimits(redis_url, settings()).hit("key", Counted.REQUESTS)
    with redis.Redis.from_url(redis_url) as client:
        names = list(client.scan_iter("*"))
        assert names
        for name in names:
            assert name.startswith(b"unmask:limits")
            assert 0 < client.ttl(name) <= 120


def test_zero_means_any_amount(redis_url: str) -> None:
    assert RateLimits(redis_url, settings()).hit("key", Counted.UPLOADS) is None


def test_a_redis_that_is_away_is_left_alone_for_a_while(
    valkey: ValkeyServer, redis_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    clock = Clock()
    limits = RateLimits(redis_url, settings(), clock=clock)
    with valkey.stopped():
        assert limits.hit("key", Counted.REQUESTS) is None
        assert limits.hit("key", Counted.REQUESTS) is None
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert limits.hit("key", Counted.REQUESTS) is None
    clock.now += 5.01
    assert limits.hit("key", Counted.REQUESTS) is not None


def test_headers_have_the_form_of_the_draft() -> None:
    states = [
        LimitState(counted=c, quota=q, remaining=r, reset_s=t, is_exceeded=False)
        for c, q, r, t in ((Counted.REQUESTS, 1200, 1187, 42), (Counted.UPLOADS, 60, 59, 58))
    ]
    assert limit_headers(states) == {
        "RateLimit-Policy": '"requests";q=1200;w=60, "uploads";q=60;w=60',
        "RateLimit": '"requests";r=1187;t=42, "uploads";r=59;t=58',
    }
    assert limit_headers([]) == {}
