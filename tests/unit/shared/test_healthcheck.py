"""The health check of worker containers, against a real Valkey server."""

import os
import socket

import pytest

from unmask_shared import healthcheck
from unmask_shared.healthcheck import worker_lives_here, worker_name
from unmask_shared.job_store import RedisJobStore


@pytest.fixture(autouse=True)
def _settings(redis_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UNMASK_REDIS_URL", redis_url)


def test_a_worker_is_named_for_its_host_and_process() -> None:
    assert worker_name() == f"{socket.gethostname()}:{os.getpid()}"


def test_a_worker_that_announced_itself_on_this_host_is_alive(job_store: RedisJobStore) -> None:
    job_store.announce_worker("inference", f"{socket.gethostname()}:7")
    assert worker_lives_here(job_store, "inference")
    assert healthcheck.main(["inference"]) == 0


def test_a_worker_of_another_role_does_not_count(
    job_store: RedisJobStore, capsys: pytest.CaptureFixture[str]
) -> None:
    job_store.announce_worker("inference", worker_name())
    assert healthcheck.main(["preprocessor"]) == 1
    assert "No preprocessor worker on this host" in capsys.readouterr().err


@pytest.mark.parametrize("other", [f"{socket.gethostname()}2:7", "elsewhere:7", "elsewhere"])
def test_a_worker_on_another_host_does_not_count(job_store: RedisJobStore, other: str) -> None:
    job_store.announce_worker("inference", other)
    assert job_store.live_workers("inference") == 1
    assert not worker_lives_here(job_store, "inference")


def test_a_worker_that_stopped_is_not_alive(job_store: RedisJobStore) -> None:
    job_store.announce_worker("inference", worker_name())
    job_store.retire_worker("inference", worker_name())
    assert not worker_lives_here(job_store, "inference")


def test_a_worker_that_fell_silent_is_not_alive(
    job_store: RedisJobStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    job_store.announce_worker("inference", worker_name())
    monkeypatch.setattr("unmask_shared.job_store.redis_store.WORKER_TTL_S", 0.0)
    assert not worker_lives_here(job_store, "inference")


def test_an_unreachable_redis_is_named_and_fails_the_check(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("UNMASK_REDIS_URL", "redis://127.0.0.1:1/0")
    assert healthcheck.main(["inference"]) == 1
    assert "Redis failed" in capsys.readouterr().err


def test_an_unknown_role_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as refusal:
        healthcheck.main(["gateway"])
    assert refusal.value.code == 2
    assert "preprocessor" in capsys.readouterr().err
