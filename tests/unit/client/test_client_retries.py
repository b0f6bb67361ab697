"""How patient the client is."""

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from unmask_client import RetryPolicy
from unmask_client.answers import retry_after_s


@given(st.integers(1, 60))
def test_pauses_double_up_to_the_longest_and_are_never_the_same(attempt: int) -> None:
    policy = RetryPolicy(first_pause_s=0.5, longest_pause_s=20.0)
    longest = min(20.0, 0.5 * 2 ** (attempt - 1))
    pauses = [policy.pause_s(attempt) for _ in range(20)]
    assert all(longest / 2 <= pause <= longest for pause in pauses)
    assert len(set(pauses)) > 1


@pytest.mark.parametrize(
    ("value", "expected"), [("7", 7.0), ("", None), ("soon", None), ("-3", None), ("1.5", None)]
)
def test_retry_after_in_seconds(value: str, expected: float | None) -> None:
    assert retry_after_s(httpx.Headers({"Retry-After": value})) == expected


def test_retry_after_as_a_date() -> None:
    then = datetime.now(UTC) + timedelta(seconds=90)
    waited = retry_after_s(httpx.Headers({"Retry-After": format_datetime(then, usegmt=True)}))
    assert waited == pytest.approx(90, abs=5)
    past = format_datetime(then - timedelta(hours=1), usegmt=True)
    assert retry_after_s(httpx.Headers({"Retry-After": past})) == 0
