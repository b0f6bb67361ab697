"""A stack that asks for keys and has tight limits, and a web server that it may fetch from."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
from embedded_stack import RunningStack, running_stack
from file_server import FileServer, file_server

ADMIN_KEY = "0123456789abcdef" * 3
UPLOADS_PER_MINUTE = 3
MAX_UPLOAD_BYTES = 5 * 1024**2
MAX_EVENT_STREAMS = 1


@dataclass
class StrictStack:
    """Handles to it."""

    stack: RunningStack
    files: FileServer
    admin: httpx.Client

    def new_key(self) -> str:
        """A key that may send and read videos."""
        wanted = {"name": "test", "scopes": ["read", "submit"]}
        answer = self.admin.post("/keys", json=wanted)
        assert answer.status_code == 201, answer.text
        return str(answer.json()["key"])


@contextmanager
def strict_stack(folder: Path) -> Iterator[StrictStack]:
    """Run it until the end of the block."""
    with file_server() as files:
        settings = {
            "UNMASK_ACCESS": "keys",
            "UNMASK_ADMIN_KEY": ADMIN_KEY,
            "UNMASK_UPLOADS_PER_MINUTE": str(UPLOADS_PER_MINUTE),
            "UNMASK_MAX_UPLOAD_BYTES": str(MAX_UPLOAD_BYTES),
            "UNMASK_MAX_EVENT_STREAMS": str(MAX_EVENT_STREAMS),
            "UNMASK_SOURCE_URL_ALLOW_PRIVATE": "true",
            "UNMASK_SOURCE_URL_ALLOWED_PORTS": str(files.port),
        }
        with running_stack(folder, settings) as running:
            headers = {"Authorization": f"Bearer {ADMIN_KEY}"}
            url = running.client.base_url
            with httpx.Client(base_url=url, headers=headers, trust_env=False, timeout=30) as admin:
                yield StrictStack(running, files, admin)
