"""All services as processes of their own, on servers of their own, each of which can be broken.

The parts are started again when they die, whenever somebody calls `tend`; all waiting here does.
"""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Literal

import httpx
import psutil
from real_services import SeaweedServer, ValkeyServer, free_ports
from tcp_proxy import TcpProxy

from unmask_shared.object_store import ObjectStore, make_object_store
from unmask_shared.processes import die_with_parent
from unmask_shared.settings import StoreSettings

ROOT = Path(__file__).parents[2]
PARTS = {
    "gateway": "unmask_gateway",
    "preprocessor": "unmask_preprocessor.worker",
    "inference": "unmask_inference.worker",
}
FINAL = {"completed", "failed", "cancelled"}
# Short times, so that nobody has to wait for the defaults.
QUICK = {
    "UNMASK_LEASE_TTL_S": "3",
    "UNMASK_VISIBILITY_TIMEOUT_S": "6",
    "UNMASK_REMAINS_PATIENCE_S": "8",
    "UNMASK_ABANDONED_AFTER_S": "8",
    "UNMASK_SHUTDOWN_GRACE_S": "2",
}


class Part:
    """One service, which can be killed, frozen and started again."""

    def __init__(
        self, name: str, environment: Mapping[str, str], log_file: Path, *, jumps: bool = False
    ) -> None:
        self.name = name
        run = [str(Path(__file__).with_name("jumping_clock.py"))] if jumps else ["-m"]
        self._command = [sys.executable, *run, PARTS[name]]
        self.starts = 0
        self.is_held = False
        self._environment = dict(environment)
        self._log_file = log_file
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with self._log_file.open("ab") as log:
            self._process = subprocess.Popen(
                self._command,
                cwd=ROOT,
                env=self._environment,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=die_with_parent,  # noqa: PLW1509 - it makes one system call
            )
        self.starts += 1

    def tend(self) -> None:
        """Start it again if it is dead and nobody wants it to be."""
        if not self.is_held and not self.is_alive:
            self.start()

    @property
    def is_alive(self) -> bool:
        return self._process is not None and self._process.poll() is None

    @property
    def process(self) -> psutil.Process:
        assert self._process is not None
        return psutil.Process(self._process.pid)

    def send(self, signum: int) -> None:
        if self.is_alive:
            assert self._process is not None
            self._process.send_signal(signum)

    def kill(self) -> None:
        """End it as the kernel ends what takes too much memory."""
        self.send(signal.SIGKILL)
        if self._process is not None:
            self._process.wait(10)

    def stop(self, limit_s: float = 30.0) -> int:
        """End it as operators do; returns its exit status."""
        self.send(signal.SIGTERM)
        assert self._process is not None
        return self._process.wait(limit_s)

    @contextmanager
    def held(self) -> Iterator[None]:
        """Have it dead for the length of the block."""
        self.is_held = True
        self.kill()
        try:
            yield
        finally:
            self.is_held = False
            self.tend()

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """Keep it, and what it has started, from running."""
        processes = [self.process, *self.process.children(recursive=True)]
        for process in processes:
            process.suspend()
        try:
            yield
        finally:
            for process in processes:
                if process.is_running():
                    process.resume()

    def usage(self) -> tuple[int, int]:
        """Open files and resident bytes, of the process and its children."""
        processes = [self.process, *self.process.children(recursive=True)]
        fds = sum(process.num_fds() for process in processes)
        return fds, sum(process.memory_info().rss for process in processes)


class BreakableStack:
    """Handles to everything that runs."""

    def __init__(
        self,
        *,
        parts: dict[str, Part],
        valkey: ValkeyServer,
        valkey_folder: Path,
        s3: SeaweedServer | None,
        proxy: TcpProxy | None,
        store: ObjectStore,
        client: httpx.Client,
        log_file: Path,
        environment: Mapping[str, str],
    ) -> None:
        self.parts = parts
        self.valkey = valkey
        self.store = store
        self.client = client
        self.log_file = log_file
        self.environment = dict(environment)
        self._valkey_folder = valkey_folder
        self._s3 = s3
        self._proxy = proxy

    @property
    def s3(self) -> SeaweedServer:
        assert self._s3 is not None
        return self._s3

    @property
    def proxy(self) -> TcpProxy:
        assert self._proxy is not None
        return self._proxy

    def tend(self) -> None:
        for part in self.parts.values():
            part.tend()

    def lose_redis(self) -> None:
        """Kill Valkey and all that it knew, and start a new one."""
        self.valkey.kill()
        shutil.rmtree(self._valkey_folder / "appendonlydir")
        self.valkey.run()

    def wait_until(
        self, condition: Callable[[], bool], *, limit_s: float = 120.0, pause_s: float = 0.02
    ) -> None:
        deadline = time.monotonic() + limit_s
        while not condition():
            assert time.monotonic() < deadline, self.log_file.read_text()[-20_000:]
            self.tend()
            time.sleep(pause_s)

    def is_ready(self) -> bool:
        try:
            return self.client.get("/readyz").status_code == 200
        except httpx.TransportError:
            return False

    def submit(self, video: Path, **options: str) -> str:
        with video.open("rb") as file:
            answer = self.client.post(
                "/videos", data=options, files={"file": (video.name, file, "video/mp4")}
            )
        assert answer.status_code == 202, answer.text
        return str(answer.json()["id"])

    def get(self, video_id: str) -> dict[str, Any]:
        """Where a video stands; `{"status": "unknown"}` while nobody answers."""
        try:
            answer = self.client.get(f"/videos/{video_id}")
        except httpx.TransportError:
            return {"status": "unknown"}
        if answer.status_code >= 500:
            return {"status": "unknown"}
        assert answer.status_code == 200, answer.text
        state: dict[str, Any] = answer.json()
        return state

    def wait_for(self, video_id: str, *statuses: str, limit_s: float = 120.0) -> dict[str, Any]:
        """Wait until a video has one of these statuses, or else any final one."""
        wanted = set(statuses) or FINAL
        state: dict[str, Any] = {}

        def reached() -> bool:
            nonlocal state
            state = self.get(video_id)
            return state["status"] in wanted

        self.wait_until(reached, limit_s=limit_s)
        return state

    def fsck(self, *options: str) -> "subprocess.CompletedProcess[str]":
        """Check the data as an operator would."""
        return subprocess.run(
            [sys.executable, "-m", "unmask_gateway", "fsck", *options],
            cwd=ROOT,
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
        )


def comparable(state: Mapping[str, Any]) -> dict[str, Any] | str:
    """What must not differ from an undisturbed run: the result without URLs, or a code."""
    if state["status"] != "completed":
        return str((state.get("failure") or {}).get("code", state["status"]))
    result: dict[str, Any] = {**state["result"], "faces": []}
    for face in state["result"]["faces"]:
        heatmaps = [{**one, "picture": None} for one in face.get("heatmaps") or ()]
        pictures = {name: face.get(name) is not None for name in ("thumbnail", "landmarks")}
        result["faces"].append({**face, **pictures, "heatmaps": heatmaps})
    return result


@contextmanager
def breakable_stack(
    folder: Path,
    *,
    store: Literal["local", "s3"] = "s3",
    settings: Mapping[str, str] | None = None,
    jumping_clocks: bool = False,
) -> Iterator[BreakableStack]:
    """Run everything until the end of the block.

    Args:
        folder: For data and logs; must exist.
        store: `s3` is a SeaweedFS behind a proxy, `local` a folder.
        settings: Further variables of all parts.
        jumping_clocks: Whether the parts heed the signals of `jumping_clock`.
    """
    with ExitStack() as cleanup:
        valkey_folder, s3_folder = folder / "valkey", folder / "s3"
        valkey_folder.mkdir()
        valkey = ValkeyServer(valkey_folder)
        cleanup.callback(valkey.kill)
        valkey.run()
        [port] = free_ports(1)
        environment = os.environ | {
            "UNMASK_REDIS_URL": valkey.url,
            "UNMASK_PORT": str(port),
            "UNMASK_DATA_DIR": str(folder / "data"),
            "UNMASK_OBJECT_STORE": store,
            "OMP_WAIT_POLICY": "passive",
            **QUICK,
            **(settings or {}),
        }
        s3 = proxy = None
        direct = StoreSettings(object_store="local", data_dir=folder / "data")
        if store == "s3":
            s3_folder.mkdir()
            s3 = SeaweedServer(s3_folder)
            cleanup.callback(s3.kill)
            s3.run()
            s3.empty()
            proxy = TcpProxy(s3.endpoint)
            cleanup.callback(proxy.close)
            direct = s3.settings()
            environment |= {
                "UNMASK_S3_ENDPOINT": proxy.address,
                "UNMASK_S3_ACCESS_KEY": s3.access_key,
                "UNMASK_S3_SECRET_KEY": s3.secret_key,
                "UNMASK_S3_BUCKET": direct.s3_bucket,
            }
        log_file = folder / "stack.log"
        parts = {name: Part(name, environment, log_file, jumps=jumping_clocks) for name in PARTS}
        client = cleanup.enter_context(
            httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60, trust_env=False)
        )
        stack = BreakableStack(
            parts=parts,
            valkey=valkey,
            valkey_folder=valkey_folder,
            s3=s3,
            proxy=proxy,
            store=make_object_store(direct),
            client=client,
            log_file=log_file,
            environment=environment,
        )
        for part in parts.values():
            cleanup.callback(part.kill)
            part.start()
        stack.wait_until(stack.is_ready)
        yield stack
