"""`make demo`: real videos through the real services, and a verdict that can be read."""

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import httpx

from unmask_shared.processes import die_with_parent
from unmask_shared.videos import Reason
from unmask_standalone.valkey import free_port

_START_LIMIT_S = 120.0
_POLL_S = 0.1
_BAR = 30
_REASONS = {
    Reason.NO_FACE_FOUND: "no face was found",
    Reason.NO_FACE_MODEL: "the checkpoint judges whole pictures, not faces",
    Reason.NO_FULL_FRAME_MODEL: "the checkpoint judges faces, not whole pictures",
    Reason.FACES_TOO_SMALL: "the faces are too small to be judged",
    Reason.FACES_TOO_BLURRED: "the faces are too blurred to be judged",
    Reason.TOO_LITTLE_USABLE: "too little of the video can be used",
    Reason.SCORE_IN_BAND: "the score lies between the thresholds of real and fake",
}


def run_demo(videos: Sequence[Path]) -> int:
    """Start a stack of its own, analyse the videos, print what came out, and stop the stack.

    Returns:
        An exit code: 0 when every video got a verdict.
    """
    for video in videos:
        if not video.is_file():
            _say(f"There is no file {video}.")
            return 2
    with (
        tempfile.TemporaryDirectory(prefix="unmask-demo-") as folder,
        _stack(Path(folder)) as client,
    ):
        outcomes = [_analyse(client, video) for video in videos]
        _say('\nHow far the shipped model can be trusted: see "What to expect" in README.md.')
    return 0 if all(outcomes) else 1


@contextmanager
def _stack(folder: Path) -> Iterator[httpx.Client]:
    """Run `serve` on a free port with a data folder of its own."""
    port, log_file = free_port(), folder / "stack.log"
    started_at = time.monotonic()
    _say("Starting Valkey, gateway, preprocessor and inference ...")
    command = [sys.executable, "-m", "unmask_standalone", "serve"]
    command += ["--host", "127.0.0.1", "--port", str(port), "--data-dir", str(folder / "data")]
    with log_file.open("w") as log:
        process = subprocess.Popen(  # noqa: S603 - our own program
            command,
            env=os.environ | {"UNMASK_ACCESS": "open"},  # it talks to itself
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            preexec_fn=partial(die_with_parent, signal.SIGKILL),  # noqa: PLW1509 - one thread here
        )
    try:
        with httpx.Client(
            base_url=f"http://127.0.0.1:{port}", timeout=60.0, trust_env=False
        ) as client:
            if not _wait_until_ready(client, process):
                _say("The stack did not become ready. Its log:\n" + log_file.read_text())
                raise SystemExit(1)
            _say(f"Ready after {time.monotonic() - started_at:.1f} s.")
            yield client
    finally:
        process.terminate()
        process.wait()
    _say("Everything is stopped.")


def _wait_until_ready(client: httpx.Client, process: "subprocess.Popen[bytes]") -> bool:
    deadline = time.monotonic() + _START_LIMIT_S
    while time.monotonic() < deadline and process.poll() is None:
        try:
            if client.get("/readyz").is_success:
                return True
        except httpx.TransportError:
            pass  # not listening yet
        time.sleep(_POLL_S)
    return False


def _analyse(client: httpx.Client, video: Path) -> bool:
    """Post one video, follow it to its end, and print the outcome."""
    _say(f"\nPOST /videos  {video.name}  ({video.stat().st_size / 1e6:.1f} MB)")
    started_at = time.monotonic()
    with video.open("rb") as file:
        answer = client.post("/videos", files={"file": (video.name, file)})
    if not answer.is_success:
        problem = answer.json()
        _say(f"  refused: {problem['title']}: {problem['detail']}\n  {problem['action']}")
        return False
    location = answer.headers["location"]
    while True:
        state = client.get(location).raise_for_status().json()
        _progress(state)
        if state["status"] in {"completed", "failed", "cancelled"}:
            break
        time.sleep(_POLL_S)
    _say("")
    if state["status"] != "completed":
        failure = state["failure"] or {"title": state["status"], "detail": "", "action": ""}
        _say(f"  failed: {failure['title']}: {failure['detail']}\n  {failure['action']}")
        return False
    _say(describe(state, time.monotonic() - started_at))
    return True


def describe(state: dict[str, Any], total_s: float) -> str:
    """Put a finished video, as the API gives it, into words."""
    result, source, timings = state["result"], state["source"], state["timings_ms"]
    lines = [
        f"  {source['width']}x{source['height']}, {source['duration_s']:.1f} s, "
        f"{source['frames']} frames, {source['fps']:.0f} fps",
        f"  VERDICT  {result['verdict'].upper()}"
        + (f"  ({_REASONS[result['reason']]})" if result["reason"] else ""),
    ]
    if result["fake_probability"] is not None:
        lines.append(
            f"  fake probability {result['fake_probability']:.2f} (of the most suspicious face)"
        )
    for face in result["faces"]:
        lines.append(
            f"    face {face['track_id']}: {_score_of(face)} "
            f"from {face['start_s']:.1f} s to {face['end_s']:.1f} s"
        )
        segments = "  ".join(
            f"{segment['start_s']:.1f}s {_score_of(segment)}" for segment in face["segments"]
        )
        lines.append(f"      {segments}")
    stages = ", ".join(f"{name} {ms} ms" for name, ms in timings.items() if ms is not None)
    lines.append(f"  time: {stages}; from POST to verdict {total_s:.1f} s")
    lines.append(f"  model: {state['model']['name']} {state['model']['version']}")
    return "\n".join(lines)


def _score_of(part: dict[str, Any]) -> str:
    """The probability of a face or a segment, or why there is none."""
    if part["fake_probability"] is None:
        return f"not judged ({part['reason']})"
    return f"{part['fake_probability']:.2f}"


def _progress(state: dict[str, Any]) -> None:
    if not sys.stdout.isatty():
        return
    filled = round(state["progress"] * _BAR)
    bar = "#" * filled + "." * (_BAR - filled)
    _say(f"  [{bar}] {state['status']:<14}", end="\r")


def _say(text: str, *, end: str = "\n") -> None:
    print(text, end=end, flush=True)  # noqa: T201 - the output of a program
