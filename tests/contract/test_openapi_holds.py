"""The API does what its OpenAPI document says: schemathesis against a gateway process.

With all checks and phases: the examples, the edges of every parameter, generated requests, and
chains of requests along the links. `make test-api` does the same with thousands of requests.
"""

import base64
import os
import subprocess
import sysconfig
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import openapi_checks
import pytest
from file_server import file_server, sends
from gateway_process import GatewayProcess, running_gateway, settings_of
from pydantic import SecretStr
from real_services import SeaweedServer, ValkeyServer

from unmask_shared.job_store import make_job_store
from unmask_shared.settings import JobSettings

# As many requests for each operation; `make test-api` asks for more.
EXAMPLES = int(os.environ.get("UNMASK_TEST_API_EXAMPLES", "6"))
SEED = os.environ.get("UNMASK_TEST_API_SEED", "1")
ASSETS = Path(openapi_checks.__file__).parent
ADMIN_KEY = "0123456789abcdef" * 3
SECRET = "whsec_" + base64.b64encode(bytes(range(32))).decode()


@pytest.fixture(scope="module")
def files() -> Iterator[str]:
    """Where a video can be fetched, and messages be left."""
    with file_server() as server:
        server.answers["/clips/interview.mp4"] = sends(openapi_checks.VIDEO)
        server.answers["/hooks/unmask"] = sends(status=204)
        yield server.url("")


@pytest.fixture(params=["open", "keys"])
def gateway(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    redis_url: str,
    files: str,
) -> Iterator[GatewayProcess]:
    """Without keys on a folder; with keys on an S3 server that takes direct uploads."""
    port = files.rpartition(":")[2]
    rules = {"allow_private": "true", "allowed_hosts": "127.0.0.1", "allowed_ports": port}
    settings: dict[str, object] = {
        "webhook_secret": SECRET,
        **{f"webhook_{name}": value for name, value in rules.items()},
        **{f"source_url_{name}": value for name, value in rules.items()},
    }
    if request.param == "keys":
        server: SeaweedServer = request.getfixturevalue("s3_server")
        settings |= {"access": "keys", "admin_key": ADMIN_KEY} | settings_of(
            server.settings("openapi")
        )
        settings["s3_public_endpoint"] = f"http://{server.endpoint}"
    folder = tmp_path_factory.mktemp("gateway")
    with running_gateway(folder, redis_url=redis_url, shutdown_grace_s=1, **settings) as process:
        yield process


@pytest.fixture(autouse=True)
def workers(redis_url: str) -> Iterator[None]:
    """Say that there are workers, or the gateway is right not to be ready; nobody needs results."""
    jobs = make_job_store(JobSettings(redis_url=SecretStr(redis_url)))
    stopped = threading.Event()

    def announce() -> None:
        while True:
            for role in ("preprocessor", "inference"):
                jobs.announce_worker(role, "test")
            if stopped.wait(2):
                return

    thread = threading.Thread(target=announce)
    thread.start()
    yield
    stopped.set()
    thread.join()
    jobs.close()


@pytest.mark.timeout(60 * 60)
def test_schemathesis_finds_nothing(
    gateway: GatewayProcess, files: str, tmp_path: Path, valkey: ValkeyServer
) -> None:
    command = [
        str(Path(sysconfig.get_path("scripts")) / "schemathesis"),
        *("--no-color", "--config-file", str(ASSETS / "schemathesis.toml")),
        *("run", f"{gateway.url}/openapi.json", "--continue-on-failure"),
        *("--max-examples", str(EXAMPLES), "--seed", SEED, "--generation-database", "none"),
        *("--header", f"Authorization: Bearer {ADMIN_KEY}"),
    ]
    environment = os.environ | {
        "SCHEMATHESIS_HOOKS": "openapi_checks",
        "PYTHONPATH": str(ASSETS),
        "UNMASK_TEST_FILES": files,
        "NO_PROXY": "*",
    }
    run = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stdout + run.stderr
    assert "Stateful" in run.stdout


def test_every_operation_is_described_whole(gateway: GatewayProcess) -> None:
    description = httpx.get(f"{gateway.url}/openapi.json", trust_env=False).json()
    schemas = description["components"]["schemas"]

    def has_example(told: dict[str, Any]) -> bool:
        schema = told.get("schema", {})
        schema = schemas[schema["$ref"].rpartition("/")[2]] if "$ref" in schema else schema
        return any(name in place for place in (told, schema) for name in ("example", "examples"))

    operations = [
        (f"{method} {path}", operation)
        for path, methods in description["paths"].items()
        for method, operation in methods.items()
    ]
    names = [operation["operationId"] for _, operation in operations]
    assert len(set(names)) == len(names) > 30
    for name, operation in operations:
        assert operation["summary"], name
        assert operation["description"], name
        path_parameters = [p for p in operation.get("parameters", ()) if p["in"] == "path"]
        assert all(map(has_example, path_parameters)), name
        bodies = operation.get("requestBody", {}).get("content", {})
        assert all(map(has_example, bodies.values())), name
        for status, response in operation["responses"].items():
            for media_type, told in response.get("content", {}).items():
                assert "json" not in media_type or has_example(told), f"{name} {status}"
            for target in response.get("links", {}).values():
                assert target["operationId"] in names
