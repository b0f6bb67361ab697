"""Settings come from the environment, and refuse what cannot work."""

from pathlib import Path

import pytest
from pydantic import SecretStr, ValidationError

from unmask_shared.settings import JobSettings, StoreSettings

SETTINGS = (StoreSettings, JobSettings)


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for settings in SETTINGS:
        for name in settings.model_fields:
            monkeypatch.delenv(f"UNMASK_{name.upper()}", raising=False)


def test_store_settings_are_read_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {
        "UNMASK_OBJECT_STORE": "s3",
        "UNMASK_DATA_DIR": "/data",
        "UNMASK_S3_ENDPOINT": "minio:9000",
        "UNMASK_S3_ACCESS_KEY": "key",
        "UNMASK_S3_SECRET_KEY": "secret",
        "UNMASK_S3_BUCKET": "videos",
        "UNMASK_S3_REGION": "eu-west-1",
        "UNMASK_S3_SECURE": "true",
    }.items():
        monkeypatch.setenv(name, value)
    assert StoreSettings() == StoreSettings(
        object_store="s3",
        data_dir=Path("/data"),
        s3_endpoint="minio:9000",
        s3_access_key=SecretStr("key"),
        s3_secret_key=SecretStr("secret"),
        s3_bucket="videos",
        s3_region="eu-west-1",
        s3_secure=True,
    )


def test_job_settings_are_read_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {
        "UNMASK_REDIS_URL": "redis://:secret@redis:6379/3",
        "UNMASK_LEASE_TTL_S": "2.5",
        "UNMASK_VISIBILITY_TIMEOUT_S": "30",
        "UNMASK_MAX_ATTEMPTS": "5",
        "UNMASK_STAGE_TIME_LIMIT_S": "60",
    }.items():
        monkeypatch.setenv(name, value)
    assert JobSettings() == JobSettings(
        redis_url=SecretStr("redis://:secret@redis:6379/3"),
        lease_ttl_s=2.5,
        visibility_timeout_s=30,
        max_attempts=5,
        stage_time_limit_s=60,
    )


def test_the_defaults_need_no_environment_and_no_s3_server() -> None:
    assert StoreSettings().object_store == "local"
    assert JobSettings().lease_ttl_s < JobSettings().visibility_timeout_s


@pytest.mark.parametrize("lease_ttl_s", [30, 31, 1e9])
def test_a_lease_must_end_before_its_message_comes_back(lease_ttl_s: float) -> None:
    with pytest.raises(ValidationError, match=r"UNMASK_LEASE_TTL_S .* must be below"):
        JobSettings(lease_ttl_s=lease_ttl_s, visibility_timeout_s=30)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("UNMASK_OBJECT_STORE", "tape"),
        ("UNMASK_LEASE_TTL_S", "0"),
        ("UNMASK_VISIBILITY_TIMEOUT_S", "-1"),
        ("UNMASK_MAX_ATTEMPTS", "0"),
        ("UNMASK_STAGE_TIME_LIMIT_S", "soon"),
    ],
)
def test_values_that_cannot_work_are_refused(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(ValidationError, match=name.removeprefix("UNMASK_").lower()):
        StoreSettings() if name == "UNMASK_OBJECT_STORE" else JobSettings()


def test_secrets_do_not_show_when_settings_are_logged() -> None:
    store = StoreSettings(s3_access_key=SecretStr("hunter2"), s3_secret_key=SecretStr("hunter2"))
    jobs = JobSettings(redis_url=SecretStr("redis://:hunter2@redis:6379/0"))
    assert "hunter2" not in f"{store!r} {store} {jobs!r} {jobs} {jobs.model_dump_json()}"


@pytest.mark.parametrize("settings", SETTINGS)
def test_every_setting_without_a_telling_name_is_described(
    settings: type[StoreSettings | JobSettings],
) -> None:
    telling = {"s3_access_key", "s3_secret_key", "s3_bucket", "s3_region"}
    for name, field in settings.model_fields.items():
        assert field.description or name in telling
