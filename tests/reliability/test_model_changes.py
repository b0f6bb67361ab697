"""Models change while videos are judged: no job fails, and only versions that work ever judge."""

import math
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psutil
import pytest
from checkpoints import (
    DEFAULT_CHECKPOINT,
    NAME,
    copy_checkpoint,
    give_no_numbers,
    publish_unchecked,
)
from embedded_stack import RunningStack, running_stack

from unmask_shared.model.checkpoint import load_card
from unmask_shared.model_registry import ModelRegistry
from unmask_shared.model_versions import ACTIVE_KEYS, ActiveModel, version_key
from unmask_shared.object_store import LocalObjectStore
from unmask_trainer.__main__ import main as trainer
from unmask_trainer.demo_media import make_demo_media

BUILT_IN = load_card(DEFAULT_CHECKPOINT)
WARM, DAMAGED = "9.0", "9.1"
WARM_TEMPERATURE = 4.0
LIMIT_S = 120.0


class Traffic:
    """Submits a video again and again, with a few of them on their way at any time."""

    def __init__(self, stack: RunningStack, video: Path) -> None:
        self._stack = stack
        self._video = video
        self.finished: list[dict[str, Any]] = []
        self._stopped = threading.Event()

    @contextmanager
    def flowing(self) -> Iterator[None]:
        thread = threading.Thread(target=self._flow)
        thread.start()
        try:
            yield
        finally:
            self._stopped.set()
            thread.join(LIMIT_S)
        assert not thread.is_alive(), self._stack.log_file.read_text()

    def _flow(self) -> None:
        open_ids = [self._stack.submit(self._video) for _ in range(3)]
        while open_ids:
            state = self._stack.wait_for(open_ids.pop(0), "completed", "failed", limit_s=LIMIT_S)
            self.finished.append(state)
            if not self._stopped.is_set():
                open_ids.append(self._stack.submit(self._video))

    def wait_for(self, enough: Callable[[list[str]], bool]) -> None:
        """Wait until the versions of the results so far are enough."""
        deadline = time.monotonic() + LIMIT_S
        while not enough(self.versions()):
            assert time.monotonic() < deadline, self._stack.log_file.read_text()
            time.sleep(0.05)

    def wait_for_more(self, count: int) -> None:
        done = len(self.finished)
        self.wait_for(lambda versions: len(versions) >= done + count)

    def versions(self) -> list[str]:
        return [(state["model"] or {}).get("version", "") for state in list(self.finished)]


def log_odds(state: dict[str, Any]) -> list[float]:
    (face,) = state["result"]["faces"]
    chances = [segment["fake_probability"] for segment in face["segments"]]
    return [math.log(chance / (1 - chance)) for chance in chances]


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + LIMIT_S
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_models_change_under_traffic_without_a_failed_job(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    video = make_demo_media(tmp_path / "media", seconds=1.0)[0]
    warm = copy_checkpoint(tmp_path / "warm", version=WARM, temperature=WARM_TEMPERATURE)
    with running_stack(tmp_path / "stack", {"UNMASK_MODEL_POLL_S": "0.2"}) as stack:
        monkeypatch.setenv("UNMASK_DATA_DIR", str(stack.data_dir))  # for the trainer's commands
        store = LocalObjectStore(stack.data_dir / "store")
        registry = ModelRegistry(store)
        traffic = Traffic(stack, video)
        with traffic.flowing():
            traffic.wait_for_more(2)

            assert trainer(["publish", str(warm), "--activate"]) == 0
            traffic.wait_for(lambda versions: versions.count(WARM) >= 2)
            before_damage = len(traffic.finished)

            # Past all checks of the trainer: the bytes rot, and somebody writes the pointer.
            publish_unchecked(
                registry, copy_checkpoint(tmp_path / "damaged", version=DAMAGED), DAMAGED
            )
            weights = version_key(NAME, DAMAGED, "weights.safetensors")
            store.put(weights, store.get(weights)[:-1] + b"?", content_type="")
            assert trainer(["models", "activate", NAME, DAMAGED]) == 2
            assert "weights.safetensors" in capsys.readouterr().err
            pointer = ActiveModel.after(
                registry.active(), name=NAME, version=DAMAGED, at=datetime.now(UTC)
            )
            store.put(ACTIVE_KEYS["faces"], pointer.model_dump_json().encode(), content_type="")
            wait_until(lambda: registry.refusal(NAME, DAMAGED) is not None)
            traffic.wait_for_more(4)
            assert trainer(["models", "list"]) == 0
            assert "active, but refused by" in capsys.readouterr().out

            assert trainer(["models", "rollback"]) == 0
            assert capsys.readouterr().out == f"Active for faces: {NAME} {WARM}.\n"
            traffic.wait_for_more(3)
            before_built_in = len(traffic.finished)
            assert trainer(["models", "rollback"]) == 0
            traffic.wait_for(lambda versions: versions[-1] == BUILT_IN.version)
        log = stack.log_file.read_text()

    assert {state["status"] for state in traffic.finished} == {"completed"}
    versions = traffic.versions()
    assert set(versions) == {BUILT_IN.version, WARM}
    assert set(versions[before_damage:before_built_in]) == {WARM}
    # One model at a time, and each back only when it was asked for.
    changes = [v for v, before in zip(versions, [None, *versions], strict=False) if v != before]
    assert changes == [BUILT_IN.version, WARM, BUILT_IN.version]
    # Each result was computed by the version that it names, from its first clip to its last.
    temperatures = {BUILT_IN.version: BUILT_IN.temperature, WARM: WARM_TEMPERATURE}
    expected = [odds * BUILT_IN.temperature for odds in log_odds(traffic.finished[0])]
    # Far enough from even odds that either temperature shows.
    assert max(map(abs, expected)) * abs(1 - BUILT_IN.temperature / WARM_TEMPERATURE) > 0.02
    for state, version in zip(traffic.finished, versions, strict=True):
        for odds, raw in zip(log_odds(state), expected, strict=True):
            assert math.isclose(odds * temperatures[version], raw, abs_tol=1e-3)
    assert log.count(f"refused to judge with {NAME} {DAMAGED}") == 1


@contextmanager
def suspended(process: psutil.Process) -> Iterator[None]:
    """Keep a worker from taking messages."""
    process.suspend()
    try:
        yield
    finally:
        process.resume()


def test_videos_are_judged_by_what_they_were_accepted_with_whatever_is_activated_meanwhile(
    tmp_path: Path,
) -> None:
    video = make_demo_media(tmp_path / "media", seconds=1.0)[0]
    with running_stack(tmp_path / "stack", {"UNMASK_MODEL_POLL_S": "0.2"}) as stack:
        registry = ModelRegistry(LocalObjectStore(stack.data_dir / "store"))
        for version, changes in (
            ("9.0", {"temperature": WARM_TEMPERATURE}),
            ("9.1", {}),
            ("9.9", {"change_weights": give_no_numbers}),
        ):
            folder = copy_checkpoint(tmp_path / version, version=version, **changes)
            publish_unchecked(registry, folder, version)

        def activate(version: str) -> None:
            body = {"name": NAME, "version": version}
            answer = stack.client.put("/models/active", json=body)
            assert answer.json()["model"] == body, answer.text

        with suspended(stack.part("unmask_inference.worker")):
            built_in = stack.submit(video)
            activate("9.0")
            warm = stack.submit(video)
            chosen = stack.submit(video, model=f"{NAME}/9.1")
            chosen_broken = stack.submit(video, model=f"{NAME}/9.9")
            activate("9.9")
            accepted_with_broken = stack.submit(video)

        def version_of(video_id: str) -> str:
            state = stack.wait_for(video_id, "completed", "failed", limit_s=LIMIT_S)
            assert state["status"] == "completed", state
            return str(state["model"]["version"])

        assert version_of(built_in) == BUILT_IN.version
        assert version_of(warm) == "9.0"
        assert version_of(chosen) == "9.1"
        # A choice is never overridden; a version that no worker takes never was the active one.
        failed = stack.wait_for(chosen_broken, "completed", "failed", limit_s=LIMIT_S)
        assert failed["status"] == "failed"
        assert failed["failure"]["code"] == "model_unusable"
        assert "not finite" in failed["failure"]["detail"]
        assert version_of(accepted_with_broken) in {"9.0", BUILT_IN.version}

        judging = stack.client.get("/models/active").json()
        assert judging["model"]["version"] == "9.0"
        assert [one["version"] for one in judging["refused"]] == ["9.9"]
        with video.open("rb") as file:
            refused = stack.client.post(
                "/videos", data={"model": f"{NAME}/9.9"}, files={"file": ("a.mp4", file)}
            )
        assert refused.json()["code"] == "model_refused"

        again = stack.client.post(f"/videos/{built_in}/analyses", json={"model": f"{NAME}/9.0"})
        again_id = again.json()["id"]
        assert version_of(again_id) == "9.0"
        first, second = stack.get(built_in), stack.get(again_id)
        assert second["analysis_of"] == built_in
        for before, after in zip(log_odds(first), log_odds(second), strict=True):
            assert math.isclose(
                before * BUILT_IN.temperature, after * WARM_TEMPERATURE, abs_tol=1e-3
            )
