"""Measures the real stack against its own pipelines, called directly: `python bench/end_to_end.py`.

First one video after the other, in turns with the pipelines in this process: what the queue, the
store and HTTP add to a video that nothing waits for. Then many videos from several clients at once:
how much of the cores' time goes into the pipelines.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import cycle, islice
from pathlib import Path

import httpx
import torch
from bench_media import make_clip
from one_verdict import StoredFaces, judge, make_classifier
from timing import print_table

from unmask_inference.batcher import MicroBatcher
from unmask_shared.sandbox import SandboxLimits
from unmask_shared.vision.encoding import thumbnail_jpeg
from unmask_shared.vision.pipeline import VisionSettings
from unmask_shared.vision.sandboxed import SandboxedExtraction
from unmask_standalone.valkey import free_port

FRAMES = 60
READY_LIMIT_S = 60.0
ENDED = {"completed", "failed", "cancelled"}


class Pipelines:
    """Both stages in this process, with nothing in between."""

    def __init__(self, extraction: SandboxedExtraction, batcher: MicroBatcher) -> None:
        self._extraction = extraction
        self._batcher = batcher
        self._classifier = make_classifier(threads=torch.get_num_threads())

    def verdict(self, path: Path) -> str:
        """Judge a video."""
        faces = self._extraction.extract(path)
        stored = StoredFaces.of(faces)
        for track in faces.tracks:
            thumbnail_jpeg(track)
        return str(judge(stored, self._classifier, self._batcher).result.verdict)


@contextmanager
def running_stack(folder: Path) -> Iterator[httpx.Client]:
    """A stack as `make serve` starts it."""
    port = free_port()
    command = [sys.executable, "-m", "unmask_standalone", "serve", "--die-with-parent"]
    command += ["--port", str(port), "--data-dir", str(folder / "data")]
    with (folder / "stack.log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)  # noqa: S603 # our own program
    try:
        limits = httpx.Limits(max_connections=None)
        url = f"http://127.0.0.1:{port}"
        with httpx.Client(base_url=url, timeout=60, trust_env=False, limits=limits) as client:
            deadline = time.monotonic() + READY_LIMIT_S
            while not _ready(client):
                if time.monotonic() > deadline or process.poll() is not None:
                    raise SystemExit((folder / "stack.log").read_text())
                time.sleep(0.1)
            yield client
    finally:
        process.terminate()
        process.wait(60)


def _ready(client: httpx.Client) -> bool:
    try:
        return client.get("/readyz").status_code == httpx.codes.OK
    except httpx.TransportError:
        return False


def send_and_wait(client: httpx.Client, path: Path, pause_s: float) -> str:
    """Send a video and ask for it until it has ended; return its verdict."""
    with path.open("rb") as file:
        answer = client.post("/videos", files={"file": (path.name, file, "video/mp4")})
    answer.raise_for_status()
    url = f"/videos/{answer.json()['id']}"
    while (video := client.get(url).raise_for_status().json())["status"] not in ENDED:
        time.sleep(pause_s)
    if video["status"] != "completed":
        raise SystemExit(f"{url}: {video['failure']}")
    return str(video["result"]["verdict"])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--videos", type=int, default=100)
    parser.add_argument("--clients", type=int, default=8)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        clips = [
            make_clip(folder / f"{frames}.mp4", faces=1, frames=frames).path
            for frames in range(FRAMES, FRAMES + 4)
        ]
        with (
            running_stack(folder) as client,
            MicroBatcher(max_clips=4, max_wait_s=0.005) as batcher,
            SandboxedExtraction(VisionSettings(), SandboxLimits()) as extraction,
        ):
            extraction.start()
            pipelines = Pipelines(extraction, batcher)
            direct_s, stack_s = _alone(pipelines, client, clips, options.rounds)
            started_at = time.perf_counter()
            with ThreadPoolExecutor(options.clients) as pool:
                paths = islice(cycle(clips), options.videos)
                verdicts = list(pool.map(lambda path: send_and_wait(client, path, 0.25), paths))
            many_s = time.perf_counter() - started_at
    if len(set(verdicts)) != 1:
        raise SystemExit(f"the same face got different verdicts: {set(verdicts)}")
    ms = 1000
    print_table(
        (f"{FRAMES / 30:.0f} s of video, empty queue, {options.rounds} rounds", "ms"),
        [
            ("both pipelines, called directly", f"{direct_s * ms:.0f}"),
            ("from POST to completed", f"{stack_s * ms:.0f}"),
            ("what the stack adds", f"{(stack_s - direct_s) * ms:.0f}"),
        ],
    )
    per_video = many_s / options.videos
    print_table(
        (
            f"{options.videos} videos from {options.clients} clients, {os.cpu_count()} cores",
            "ms for each video",
            "videos a second",
            "share",
        ),
        [
            ("called directly, one after the other", *_rate(direct_s), "1.00"),
            ("the stack", *_rate(per_video), f"{direct_s / per_video:.2f}"),
        ],
    )


def _rate(seconds: float) -> tuple[str, str]:
    return f"{seconds * 1000:.0f}", f"{1 / seconds:.2f}"


def _alone(
    pipelines: Pipelines, client: httpx.Client, clips: list[Path], rounds: int
) -> tuple[float, float]:
    """Medians of seconds for one video: by the pipelines, and by the stack."""
    direct: list[float] = []
    through: list[float] = []
    for number in range(-1, rounds):
        path = clips[number % len(clips)]
        started_at = time.perf_counter()
        verdict = pipelines.verdict(path)
        between = time.perf_counter()
        if send_and_wait(client, path, 0.01) != verdict:
            raise SystemExit("the stack and its pipelines do not agree")
        if number >= 0:  # the first time is for warming up
            direct.append(between - started_at)
            through.append(time.perf_counter() - between)
    return statistics.median(direct), statistics.median(through)


if __name__ == "__main__":
    main()
