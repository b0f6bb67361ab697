"""A whole Unmask as a team would run it: keys, an S3 store that clients reach, webhooks."""

import shutil
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest
from breaking_proxy import BreakingProxy, breaking_proxy
from embedded_stack import RunningStack, running_stack
from file_server import FileServer, file_server, sends
from mp4_boxes import Box
from real_services import SeaweedServer

from unmask_client import Client

ADMIN_KEY = "0123456789abcdef" * 3
WEBHOOK_SECRET = "whsec_" + "c2VjcmV0" * 4
PART_BYTES = 5 * 1024 * 1024


@dataclass(frozen=True)
class GuardedStack:
    """A running stack that asks for keys.

    Attributes:
        running: The stack.
        url: Of its gateway.
        key: Sends videos in and reads them.
        proxy: On the way of clients to the object store.
        receiver: Takes webhooks at `/hook`.
    """

    running: RunningStack
    url: str
    key: str
    proxy: BreakingProxy
    receiver: FileServer


@pytest.fixture(scope="session")
def guarded_stack(
    tmp_path_factory: pytest.TempPathFactory, s3_server: SeaweedServer
) -> Iterator[GuardedStack]:
    """One for all tests of clients."""
    host, port = s3_server.endpoint.split(":")
    store = s3_server.settings("clients")
    with ExitStack() as opened:
        proxy = opened.enter_context(breaking_proxy((host, int(port))))
        receiver = opened.enter_context(file_server())
        receiver.answers["/hook"] = sends(status=204)
        settings = {
            "UNMASK_ACCESS": "keys",
            "UNMASK_ADMIN_KEY": ADMIN_KEY,
            "UNMASK_OBJECT_STORE": "s3",
            "UNMASK_S3_ENDPOINT": store.s3_endpoint,
            "UNMASK_S3_BUCKET": store.s3_bucket,
            "UNMASK_S3_ACCESS_KEY": store.s3_access_key.get_secret_value(),
            "UNMASK_S3_SECRET_KEY": store.s3_secret_key.get_secret_value(),
            "UNMASK_S3_PUBLIC_ENDPOINT": f"http://127.0.0.1:{proxy.port}",
            "UNMASK_DIRECT_UPLOAD_PART_BYTES": str(PART_BYTES),
            "UNMASK_WEBHOOK_SECRET": WEBHOOK_SECRET,
            "UNMASK_WEBHOOK_ALLOW_PRIVATE": "true",
            "UNMASK_WEBHOOK_ALLOWED_PORTS": str(receiver.port),
        }
        running = opened.enter_context(
            running_stack(tmp_path_factory.mktemp("guarded-stack"), settings)
        )
        url = str(running.client.base_url)
        with Client(url, api_key=ADMIN_KEY) as admin:
            key = admin.create_key("tests", ["submit", "read"]).key
        yield GuardedStack(running=running, url=url, key=key, proxy=proxy, receiver=receiver)


@pytest.fixture(scope="session")
def large_clip(demo_media: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A clip that takes three parts: room that players skip is behind it."""
    clip = tmp_path_factory.mktemp("large") / "large.mp4"
    shutil.copyfile(demo_media / "astronaut_real.mp4", clip)
    with clip.open("ab") as file:
        file.write(Box(b"free", bytes(2 * PART_BYTES)).to_bytes())
    return clip
