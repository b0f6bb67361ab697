"""Secrets stay where they are: out of logs, answers and documents, also when everything fails."""

import json
import logging
from contextlib import AbstractContextManager
from pathlib import Path

import httpx
import pytest
from gateway_process import GatewayProcess, running_gateway
from real_services import ValkeyServer, free_ports

from unmask_gateway.access.settings import KeySettings
from unmask_gateway.webhooks.settings import WebhookSettings
from unmask_shared.settings import JobSettings, StoreSettings

ADMIN_KEY = "admin-key-that-nobody-may-read-in-a-log"
S3_SECRET = "s3-secret-that-nobody-may-read-in-a-log"
WEBHOOK_SECRET = "whsec_" + "d2ViaG9vay1zZWNyZXQtdGhhdC1ub2JvZHkgcmVhZHM="
VIDEO = b"GIF89a" + bytes(range(256)) * 8
PATHS = ("/videos", "/keys", "/readyz", "/metrics", "/models", "/openapi.json", "/")
TOKEN = "token-in-a-query-that-nobody-may-read"


@pytest.fixture
def redis_password(valkey: ValkeyServer, redis_url: str) -> str:
    return redis_url.split(":")[2].split("@", maxsplit=1)[0]


def gateway(
    folder: Path, redis_url: str, **settings: object
) -> AbstractContextManager[GatewayProcess]:
    return running_gateway(
        folder,
        redis_url=redis_url,
        access="keys",
        admin_key=ADMIN_KEY,
        webhook_secret=WEBHOOK_SECRET,
        s3_secret_key=S3_SECRET,
        s3_access_key="unmask",
        log_level="DEBUG",
        **settings,
    )


def ask_everything(url: str) -> tuple[str, list[str]]:
    """Ask with good and bad keys for what there is; returns all answers and the keys made."""
    answers, keys = [], []
    with httpx.Client(base_url=url, trust_env=False, timeout=30) as client:
        client.headers["Authorization"] = f"Bearer {ADMIN_KEY}"
        made = client.post("/keys", json={"name": "test", "scopes": ["read", "submit"]})
        if made.status_code == 201:
            keys.append(made.json()["key"])
        for key in (ADMIN_KEY, ADMIN_KEY + "x", *keys, *(key[:-1] + "0" for key in keys)):
            client.headers["Authorization"] = f"Bearer {key}"
            answers.extend(map(client.get, PATHS))
            answers.append(client.post("/videos", files={"file": ("a.gif", VIDEO)}))
            answers.append(
                client.post(
                    "/videos",
                    data={"webhook_url": f"http://127.0.0.1/{TOKEN}"},
                    files={"file": ("a.gif", VIDEO)},
                )
            )
            answers.append(
                client.post("/videos", json={"source_url": f"http://localhost/?{TOKEN}"})
            )
            answers.append(client.get("/videos", params={"cursor": "x"}))
    return "\n".join(f"{answer.headers} {answer.text}" for answer in answers), keys


def check(folder: Path, told: str, secrets: list[str]) -> None:
    log = (folder / "gateway.log").read_text()
    assert log
    for secret in (ADMIN_KEY, S3_SECRET, WEBHOOK_SECRET, *secrets):
        assert secret not in log
        assert secret not in told
        # Nor what is behind the name of a key, or a part of it that would do.
        assert secret[-24:] not in log
    assert TOKEN not in log


def test_no_secret_is_logged_or_told(tmp_path: Path, redis_url: str, redis_password: str) -> None:
    with gateway(tmp_path, redis_url) as process:
        told, keys = ask_everything(process.url)
        assert len(keys) == 1
        stored = "".join(
            (process.data_dir / "store" / "objects" / key).read_bytes().decode("latin-1")
            for key in process.stored_keys()
        )
    check(tmp_path, told, [redis_password, *keys])
    assert keys[0].rpartition("_")[2] not in stored
    assert redis_password not in stored


def test_no_secret_is_logged_or_told_while_redis_and_the_store_are_away(tmp_path: Path) -> None:
    redis_port, s3_port = free_ports(2)
    password = "redis-password-that-nobody-may-read"
    with gateway(
        tmp_path,
        f"redis://:{password}@127.0.0.1:{redis_port}/0",
        object_store="s3",
        s3_endpoint=f"127.0.0.1:{s3_port}",
        s3_public_endpoint=f"http://127.0.0.1:{s3_port}",
    ) as process:
        told, _ = ask_everything(process.url)
    assert "object_store_unavailable" in told
    check(tmp_path, told, [password])


def test_settings_show_no_secret(caplog: pytest.LogCaptureFixture) -> None:
    """However they are printed, dumped or logged."""
    groups = (
        KeySettings(admin_key=ADMIN_KEY),  # type: ignore[arg-type]
        WebhookSettings(secret=WEBHOOK_SECRET),  # type: ignore[arg-type]
        StoreSettings(s3_secret_key=S3_SECRET, s3_access_key=S3_SECRET),  # type: ignore[arg-type]
        JobSettings(redis_url=f"redis://:{S3_SECRET}@host/0"),  # type: ignore[arg-type]
    )
    for group in groups:
        logging.getLogger("test").error("%s %r", group, group)
        told = f"{group} {group!r} {group.model_dump()} {group.model_dump_json()}"
        told += json.dumps(group.model_dump(), default=str) + caplog.text
        for secret in (ADMIN_KEY, WEBHOOK_SECRET, S3_SECRET):
            assert secret not in told
