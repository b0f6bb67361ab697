"""Puts a whole Unmask under mixed load: `python bench/load.py --minutes 10`.

Fifty clients with keys of their own upload, poll and follow events for some minutes. Whoever is
told to wait (429 or 503 with Retry-After) waits. Then the queue has to drain. Every other refusal,
every broken connection, every video that does not complete, and memory that keeps growing is a
failure, and the exit code is 1.
"""

import argparse
import asyncio
import os
import random
import secrets
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import psutil
from bench_media import make_clip
from timing import print_table

from unmask_standalone.valkey import free_port

FRAMES = 30
ENDED = {"completed", "failed", "cancelled"}
READY_LIMIT_S = 90.0
DRAIN_LIMIT_S = 900.0
MEMORY_EVERY_S = 5.0
# The first minutes fill caches and pools; from there on memory has to stay where it is.
SETTLED = 0.4
MOST_GROWTH_MIB = 64.0
BUSY = {httpx.codes.TOO_MANY_REQUESTS, httpx.codes.SERVICE_UNAVAILABLE}


@dataclass
class Ledger:
    """What happened."""

    seconds: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    told_to_wait: Counter[int] = field(default_factory=Counter)
    wrong: Counter[str] = field(default_factory=Counter)
    accepted: set[str] = field(default_factory=set)
    memory_mib: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))


class Visitor:
    """One client: sends a video, follows it one way or another, looks around, and begins again."""

    def __init__(self, client: httpx.AsyncClient, video: Path, ledger: Ledger, seed: int) -> None:
        self._client = client
        self._video = video.read_bytes()
        self._ledger = ledger
        self._rng = random.Random(seed)

    async def stay(self, until: float) -> None:
        while time.monotonic() < until:
            what = self._rng.choices(["send", "list", "page"], [6, 3, 1])[0]
            if what == "send":
                video_id = await self._send()
                if video_id is not None:
                    follow = self._rng.choice([self._poll, self._listen])
                    await follow(video_id, until)
            elif what == "list":
                await self._ask("list", "/videos?limit=20")
            else:
                await self._ask("page", "/")
            await asyncio.sleep(self._rng.uniform(0.05, 0.5))

    async def _send(self) -> str | None:
        files = {"file": ("clip.mp4", self._video, "video/mp4")}
        answer = await self._request("upload", "POST", "/videos", files=files)
        if answer is None:
            return None
        video_id: str = answer.json()["id"]
        self._ledger.accepted.add(video_id)
        return video_id

    async def _poll(self, video_id: str, until: float) -> None:
        while time.monotonic() < until:
            answer = await self._ask("poll", f"/videos/{video_id}")
            if answer is not None and answer.json()["status"] in ENDED:
                return
            await asyncio.sleep(self._rng.uniform(0.3, 1.0))

    async def _listen(self, video_id: str, until: float) -> None:
        started_at = time.monotonic()
        try:
            async with self._client.stream("GET", f"/videos/{video_id}/events") as stream:
                if self._noted("events", stream, time.monotonic() - started_at):
                    async for _ in stream.aiter_lines():
                        if time.monotonic() > until:
                            return
        except httpx.TransportError as error:
            self._ledger.wrong[f"events: {type(error).__name__}"] += 1

    async def _ask(self, kind: str, path: str) -> httpx.Response | None:
        return await self._request(kind, "GET", path)

    async def _request(
        self, kind: str, method: str, path: str, **content: object
    ) -> httpx.Response | None:
        started_at = time.monotonic()
        try:
            answer = await self._client.request(method, path, **content)  # type: ignore[arg-type]  # httpx checks it
        except httpx.TransportError as error:
            self._ledger.wrong[f"{kind}: {type(error).__name__}"] += 1
            return None
        if self._noted(kind, answer, time.monotonic() - started_at):
            return answer
        if answer.status_code in BUSY:
            await asyncio.sleep(min(5.0, float(answer.headers.get("Retry-After", "1"))))
        return None

    def _noted(self, kind: str, answer: httpx.Response, seconds: float) -> bool:
        if answer.is_success:
            self._ledger.seconds[kind].append(seconds)
            return True
        if answer.status_code in BUSY and "Retry-After" in answer.headers:
            self._ledger.told_to_wait[answer.status_code] += 1
        else:
            self._ledger.wrong[f"{kind}: {answer.status_code}"] += 1
        return False


@contextmanager
def running_stack(folder: Path, admin_key: str) -> Iterator[tuple[str, psutil.Process]]:
    """A stack as `make serve` starts it, which asks for keys."""
    port = free_port()
    command = [sys.executable, "-m", "unmask_standalone", "serve", "--die-with-parent"]
    command += ["--port", str(port), "--data-dir", str(folder / "data")]
    environment = os.environ | {"UNMASK_ACCESS": "keys", "UNMASK_ADMIN_KEY": admin_key}
    with (folder / "stack.log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, env=environment)  # noqa: S603 - our own
    url = f"http://127.0.0.1:{port}"
    try:
        deadline = time.monotonic() + READY_LIMIT_S
        while not _ready(url):
            if time.monotonic() > deadline or process.poll() is not None:
                raise SystemExit((folder / "stack.log").read_text())
            time.sleep(0.2)
        yield url, psutil.Process(process.pid)
    finally:
        process.terminate()
        process.wait(60)


def _ready(url: str) -> bool:
    try:
        return httpx.get(f"{url}/readyz", trust_env=False).is_success
    except httpx.TransportError:
        return False


@asynccontextmanager
async def memory_noted(stack: psutil.Process, ledger: Ledger) -> AsyncIterator[None]:
    """Note every few seconds what each kind of process holds."""

    async def note() -> None:
        while True:
            held: Counter[str] = Counter()
            for process in stack.children(recursive=True):
                try:
                    line = " ".join(process.cmdline())
                    held[_kind_of(line)] += process.memory_full_info().uss
                except psutil.Error:  # it has ended: decoders come and go
                    continue
            for kind, held_bytes in held.items():
                ledger.memory_mib[kind].append(held_bytes / 2**20)
            await asyncio.sleep(MEMORY_EVERY_S)

    task = asyncio.create_task(note())
    try:
        yield
    finally:
        task.cancel()


def _kind_of(command: str) -> str:
    for kind in ("gateway", "inference", "preprocessor", "valkey"):
        if f"unmask_{kind}" in command or (kind == "valkey" and kind in command):
            return kind
    return "decoders"


async def put_under_load(options: argparse.Namespace, folder: Path, ledger: Ledger) -> float:
    """Let the clients in, wait until all that was accepted has ended; seconds of draining."""
    clip = make_clip(folder / "clip.mp4", faces=1, frames=FRAMES).path
    admin_key = secrets.token_hex(24)
    with running_stack(folder, admin_key) as (url, stack):
        admin = httpx.AsyncClient(
            base_url=url, headers=_key(admin_key), trust_env=False, timeout=60
        )
        async with admin, memory_noted(stack, ledger):
            until = time.monotonic() + options.minutes * 60
            async with asyncio.TaskGroup() as group:
                for number in range(options.clients):
                    made = await admin.post(
                        "/keys", json={"name": f"client {number}", "scopes": ["submit", "read"]}
                    )
                    key = made.raise_for_status().json()["key"]
                    group.create_task(_visit(url, key, clip, ledger, number, until))
            started_at = time.monotonic()
            open_videos = set(ledger.accepted)
            while open_videos:
                if time.monotonic() - started_at > DRAIN_LIMIT_S:
                    ledger.wrong["videos that did not end"] = len(open_videos)
                    break
                for video_id in list(open_videos):
                    state = (await admin.get(f"/videos/{video_id}")).raise_for_status().json()
                    if state["status"] in ENDED:
                        open_videos.discard(video_id)
                        if state["status"] != "completed":
                            ledger.wrong[f"videos {state['status']}"] += 1
                await asyncio.sleep(1)
            return time.monotonic() - started_at


async def _visit(url: str, key: str, clip: Path, ledger: Ledger, number: int, until: float) -> None:
    client = httpx.AsyncClient(base_url=url, headers=_key(key), trust_env=False, timeout=60)
    async with client:
        await Visitor(client, clip, ledger, number).stay(until)


def _key(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


def report(options: argparse.Namespace, ledger: Ledger, drained_s: float) -> bool:
    """Print what happened; whether all went well."""
    print_table(
        (
            f"{options.clients} clients, {options.minutes:g} minutes",
            "answers",
            "median ms",
            "99 % ms",
        ),
        [
            (
                kind,
                str(len(seconds)),
                f"{statistics.median(seconds) * 1000:.0f}",
                f"{statistics.quantiles(seconds, n=100)[98] * 1000:.0f}",
            )
            for kind, seconds in ledger.seconds.items()
            if len(seconds) > 1
        ],
    )
    growing = []
    rows = []
    for kind, held in sorted(ledger.memory_mib.items()):
        begin, end = _settled(held)
        rows.append((kind, f"{begin:.0f}", f"{end:.0f}", f"{max(held):.0f}"))
        # A decoder's memory is that of the video at hand.
        if kind != "decoders" and end - begin > MOST_GROWTH_MIB:
            growing.append(kind)
    print_table(("memory of its own, MiB", "settled", "at the end", "most"), rows)
    print(
        f"\naccepted: {len(ledger.accepted)}; the queue was empty {drained_s:.0f} s after the end"
    )
    print(f"told to wait: {dict(ledger.told_to_wait)}")
    print(f"went wrong: {dict(ledger.wrong)}; memory that grows: {growing}")
    return not ledger.wrong and not growing


def _settled(held: list[float]) -> tuple[float, float]:
    """Medians of the time after the beginning, and of the end."""
    tenth = max(1, len(held) // 10)
    start = int(len(held) * SETTLED)
    return statistics.median(held[start : start + tenth]), statistics.median(held[-tenth:])


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clients", type=int, default=50)
    parser.add_argument("--minutes", type=float, default=10.0)
    options = parser.parse_args()
    ledger = Ledger()
    with tempfile.TemporaryDirectory() as name:
        drained_s = asyncio.run(put_under_load(options, Path(name), ledger))
    return 0 if report(options, ledger, drained_s) else 1


if __name__ == "__main__":
    sys.exit(main())
