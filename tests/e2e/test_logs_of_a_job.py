"""What services log about videos, for machines: whole, tied to the video, and without secrets."""

import json
import re
import secrets
import time
from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from embedded_stack import RunningStack, running_stack
from file_server import FileServer, file_server, sends
from gateway_process import settings_of
from real_services import SeaweedServer

ADMIN_KEY = secrets.token_hex(24)
WEBHOOK_SECRET = "whsec_" + b64encode(secrets.token_bytes(32)).decode()
# Valkey is not ours, and says in its own words that it starts.
NOT_OURS = re.compile(r"\d+:[A-Z] ")


@pytest.fixture
def receiver() -> Iterator[FileServer]:
    with file_server() as server:
        server.answers["/hook?token=of-the-receiver"] = sends(status=204)
        yield server


@pytest.fixture
def stack(tmp_path: Path, s3_server: SeaweedServer, receiver: FileServer) -> Iterator[RunningStack]:
    s3_server.empty()
    store = {
        f"UNMASK_{name.upper()}": str(value)
        for name, value in settings_of(s3_server.settings()).items()
    }
    settings = store | {
        "UNMASK_S3_PUBLIC_ENDPOINT": f"http://{s3_server.endpoint}",
        "UNMASK_LOG_FORMAT": "json",
        "UNMASK_ACCESS": "keys",
        "UNMASK_ADMIN_KEY": ADMIN_KEY,
        "UNMASK_WEBHOOK_SECRET": WEBHOOK_SECRET,
        "UNMASK_WEBHOOK_ALLOW_PRIVATE": "true",
        "UNMASK_WEBHOOK_ALLOWED_PORTS": str(receiver.port),
    }
    with running_stack(tmp_path, settings) as running:
        running.client.headers["Authorization"] = f"Bearer {ADMIN_KEY}"
        yield running


def send_past_the_gateway(client: httpx.Client, video: bytes) -> tuple[str, str]:
    """A direct upload; returns the video's id, and the signature of the URL that took the file."""
    asked = {"filename": "direct.mp4", "bytes": len(video), "content_type": "video/mp4"}
    upload = client.post("/uploads", json=asked).raise_for_status().json()
    [part] = upload["parts"]
    httpx.put(part["url"], content=video, trust_env=False).raise_for_status()
    posted = client.post("/videos", json={"upload_id": upload["id"]}).raise_for_status()
    [signature] = parse_qs(urlsplit(part["url"]).query)["X-Amz-Signature"]
    return posted.json()["id"], signature


def entries_of(log: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in log.splitlines() if not NOT_OURS.match(line)]


def test_every_line_about_a_video_names_it_and_no_line_has_a_secret(
    stack: RunningStack, demo_media: Path, receiver: FileServer, s3_server: SeaweedServer
) -> None:
    made = stack.client.post("/keys", json={"name": "test", "scopes": ["submit", "read"]})
    key = made.raise_for_status().json()["key"]
    good = stack.submit(
        demo_media / "astronaut_fake.mp4", webhook_url=receiver.url("/hook?token=of-the-receiver")
    )
    broken = (demo_media / "astronaut_fake.mp4").read_bytes()[:2000]
    (demo_media / "broken.mp4").write_bytes(broken)
    bad = stack.submit(demo_media / "broken.mp4")
    direct, signature = send_past_the_gateway(
        stack.client, (demo_media / "astronaut_real.mp4").read_bytes()
    )
    assert stack.client.post("/videos", files={"file": ("a", b"no video")}).status_code == 415
    for video_id in (good, bad, direct):
        stack.wait_for(video_id, "completed", "failed")
    deadline = time.monotonic() + 20
    while not stack.client.get(f"/videos/{good}/webhooks").json()["deliveries"]:
        assert time.monotonic() < deadline
        time.sleep(0.1)

    log = stack.log_file.read_text()
    entries = entries_of(log)
    for entry in entries:
        assert {"time", "level", "service", "logger", "message"} <= set(entry)
        named = {video_id for video_id in (good, bad, direct) if video_id in json.dumps(entry)}
        assert named <= {entry.get("video_id")}, entry
        if "video_id" in entry and entry["service"] in {"preprocessor", "inference"}:
            assert entry["stage"] in {"preprocessing", "inferring"}
            assert entry["attempt"] == 1

    def told(video_id: str) -> list[tuple[str, str]]:
        return [
            (entry["service"], entry["message"].partition(" in ")[0].partition(":")[0])
            for entry in entries
            if entry.get("video_id") == video_id
        ]

    assert told(good)[:3] == [
        ("gateway", "video accepted"),
        ("preprocessor", "done"),
        ("inference", "done"),
    ]
    assert ("gateway", "webhook delivered") in told(good)
    assert told(bad) == [("gateway", "video accepted"), ("preprocessor", "video failed")]
    assert len(told(direct)) == 3
    redis_password = urlsplit(stack.part("unmask_gateway").environ()["UNMASK_REDIS_URL"]).password
    for secret in (
        ADMIN_KEY,
        key,
        key.rpartition("_")[2],
        WEBHOOK_SECRET.partition("_")[2],
        signature,
        "X-Amz-Signature",
        s3_server.secret_key,
        redis_password,
        "of-the-receiver",
    ):
        assert secret
        assert secret not in log
