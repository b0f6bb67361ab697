"""The main job through the real services: a file goes in over HTTP, a verdict comes out."""

import hashlib
import signal
import subprocess
import sys
import time
from pathlib import Path

import httpx
import psutil
from checkpoints import NAME, copy_checkpoint, publish_unchecked
from embedded_stack import ROOT, RunningStack, running_stack
from real_services import SeaweedServer

from unmask_shared.artifacts import result_key, source_key
from unmask_shared.model_registry import ModelRegistry
from unmask_shared.object_store import LocalObjectStore, ObjectStore


def test_a_video_becomes_a_verdict(stack: RunningStack, demo_media: Path) -> None:
    video = demo_media / "astronaut_real.mp4"
    video_id = stack.submit(video)
    seen = []
    while not seen or seen[-1]["status"] not in {"completed", "failed"}:
        seen.append(stack.get(video_id))
        time.sleep(0.02)
    state = seen[-1]

    assert state["status"] == "completed", state
    assert state["source"]["sha256"] == hashlib.sha256(video.read_bytes()).hexdigest()
    assert state["source"]["bytes"] == video.stat().st_size
    assert state["source"]["frames"] > 0
    assert state["result"]["verdict"] in {"real", "fake", "inconclusive"}
    (face,) = state["result"]["faces"]
    assert 0 <= face["fake_probability"] <= 1
    assert state["result"]["fake_probability"] == face["fake_probability"]
    assert face["segments"][0]["start_s"] == 0
    assert face["end_s"] <= state["source"]["duration_s"]
    assert all(ms >= 0 for ms in state["timings_ms"].values())
    assert state["model"]["name"]

    progress = [view["progress"] for view in seen]
    assert progress == sorted(progress)
    assert progress[-1] == 1
    order = ["queued", "preprocessing", "inferring", "completed"]
    stages = [order.index(view["status"]) for view in seen]
    assert stages == sorted(stages)
    assert "preprocessing" in {view["status"] for view in seen}


def test_the_thumbnail_of_a_face_is_a_picture(stack: RunningStack, demo_media: Path) -> None:
    state = stack.wait_for(stack.submit(demo_media / "astronaut_real.mp4"), "completed")
    thumbnail = stack.client.get(state["result"]["faces"][0]["thumbnail"])
    assert thumbnail.status_code == 200
    assert thumbnail.headers["content-type"] == "image/jpeg"
    assert thumbnail.content.startswith(b"\xff\xd8\xff")


def test_landmarks_are_drawn_and_the_coverage_told(stack: RunningStack, demo_media: Path) -> None:
    video_id = stack.submit(demo_media / "astronaut_real.mp4", landmark_overlays="true")
    state = stack.wait_for(video_id, "completed", "failed")
    assert state["options"]["landmark_overlays"] is True
    (face,) = state["result"]["faces"]
    picture = stack.client.get(face["landmarks"])
    assert picture.status_code == 200
    assert picture.headers["content-type"] == "image/png"
    assert picture.content.startswith(b"\x89PNG\r\n\x1a\n")
    coverage = state["result"]["coverage"]
    assert coverage["policy"] == "clips"
    assert 0 < coverage["frames"] <= state["source"]["frames"]
    assert coverage["sampled_s"] + coverage["longest_gap_s"] <= state["source"]["duration_s"] + 0.01

    plain = stack.wait_for(stack.submit(demo_media / "astronaut_real.mp4"), "completed", "failed")
    assert plain["result"]["faces"][0]["landmarks"] is None
    missing = stack.client.get(f"/videos/{plain['id']}/faces/0/landmarks")
    assert (missing.status_code, missing.json()["code"]) == (404, "object_not_found")


def test_whole_frames_are_not_judged_by_a_model_of_faces(
    stack: RunningStack, demo_media: Path
) -> None:
    video_id = stack.submit(demo_media / "astronaut_fake.mp4", face_mode="full_frame")
    state = stack.wait_for(video_id, "completed", "failed")
    assert state["status"] == "completed", state
    result = state["result"]
    assert (result["verdict"], result["reason"]) == ("inconclusive", "no_full_frame_model")
    assert (result["fake_probability"], result["faces"]) == (None, [])
    assert result["coverage"]["frames"] > 0


def test_whole_frames_are_judged_by_a_model_that_is_active_for_them(
    stack: RunningStack, demo_media: Path, tmp_path: Path
) -> None:
    folder = copy_checkpoint(tmp_path / "whole", version="7.0", face_mode="full_frame")
    registry = ModelRegistry(LocalObjectStore(stack.data_dir / "store"))
    publish_unchecked(registry, folder, "7.0")
    activated = stack.client.put("/models/active", json={"name": NAME, "version": "7.0"})
    assert activated.json()["model"] == {"name": NAME, "version": "7.0"}, activated.text
    video = demo_media / "astronaut_fake.mp4"
    whole, faces = (
        stack.wait_for(stack.submit(video, face_mode=mode), "completed", "failed")
        for mode in ("full_frame", "faces")
    )
    undone = stack.client.delete("/models/active", params={"face_mode": "full_frame"})
    assert undone.status_code == 200
    (pictures,) = whole["result"]["faces"]
    assert 0 < pictures["fake_probability"] < 1
    assert len(pictures["segments"]) == whole["result"]["coverage"]["clips"]
    assert whole["model"] == {"name": NAME, "version": "7.0"}
    assert faces["model"] != whole["model"]
    assert faces["result"]["faces"][0]["fake_probability"] is not None


def test_the_same_video_gives_the_same_result(stack: RunningStack, demo_media: Path) -> None:
    video = demo_media / "astronaut_fake.mp4"
    first, second = (
        stack.wait_for(stack.submit(video), "completed", "failed")["result"] for _ in range(2)
    )
    for face in first["faces"] + second["faces"]:
        del face["thumbnail"]  # its URL names the video
    assert first == second


def test_a_file_that_only_looks_like_a_video_fails_with_advice(
    stack: RunningStack, tmp_path: Path, demo_media: Path
) -> None:
    broken = tmp_path / "broken.mp4"
    broken.write_bytes((demo_media / "astronaut_real.mp4").read_bytes()[:3000])
    state = stack.wait_for(stack.submit(broken), "failed", "completed")
    assert state["status"] == "failed"
    assert state["failure"]["code"] == "unreadable_video"
    assert state["failure"]["action"]


def test_results_survive_a_restart(tmp_path: Path, demo_media: Path) -> None:
    with running_stack(tmp_path) as first:
        video_id = first.submit(demo_media / "astronaut_real.mp4")
        before = first.wait_for(video_id, "completed")
    with running_stack(tmp_path) as second:
        assert second.get(video_id) == before


def test_the_same_stack_works_on_an_s3_store(
    s3_server: SeaweedServer, s3_store: ObjectStore, tmp_path: Path, demo_media: Path
) -> None:
    client = s3_server.settings()
    settings = {
        "UNMASK_OBJECT_STORE": "s3",
        "UNMASK_S3_ENDPOINT": client.s3_endpoint,
        "UNMASK_S3_BUCKET": client.s3_bucket,
        "UNMASK_S3_ACCESS_KEY": client.s3_access_key.get_secret_value(),
        "UNMASK_S3_SECRET_KEY": client.s3_secret_key.get_secret_value(),
    }
    video = demo_media / "astronaut_real.mp4"
    with running_stack(tmp_path, settings) as running:
        video_id = running.submit(video)
        state = running.wait_for(video_id, "completed", "failed")
        thumbnail = running.client.get(state["result"]["faces"][0]["thumbnail"])
    assert thumbnail.content.startswith(b"\xff\xd8\xff")
    assert s3_store.get(source_key(video_id)) == video.read_bytes()
    assert s3_store.exists(result_key(video_id))
    assert not (tmp_path / "data" / "store").exists()


def test_a_second_stack_on_the_same_data_is_refused(stack: RunningStack) -> None:
    outcome = subprocess.run(
        [sys.executable, "-m", "unmask_standalone", "serve", "--data-dir", str(stack.data_dir)],
        capture_output=True,
        text=True,
        cwd=ROOT,
        timeout=30,
        check=False,
    )
    assert outcome.returncode == 1
    assert "UNMASK_DATA_DIR" in outcome.stderr


def test_the_demo_prints_a_verdict_and_leaves_nothing_running(demo_media: Path) -> None:
    demo = subprocess.Popen(
        [sys.executable, "-m", "unmask_standalone", "demo", str(demo_media / "astronaut_fake.mp4")],
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    )
    seen: dict[int, psutil.Process] = {}
    while demo.poll() is None:
        try:
            children = psutil.Process(demo.pid).children(recursive=True)
        except psutil.NoSuchProcess:
            break
        seen |= {child.pid: child for child in children}
        time.sleep(0.1)
    output, _ = demo.communicate()
    assert demo.returncode == 0, output
    assert "VERDICT" in output
    assert "preprocessing" in output
    assert "inferring" in output
    assert len(seen) >= 5  # serve, Valkey, gateway and both workers
    psutil.wait_procs(seen.values(), timeout=5)
    assert not [process for process in seen.values() if process.is_running()]


def test_ctrl_c_stops_every_part(tmp_path: Path) -> None:
    with running_stack(tmp_path) as running:
        processes = running.processes()
        running.process.send_signal(signal.SIGINT)
        assert running.process.wait(20) == 0
        psutil.wait_procs(processes, timeout=5)
        assert not [process for process in processes if process.is_running()]
        try:
            running.client.get("/healthz")
        except httpx.TransportError:
            return
        raise AssertionError("the gateway still answers")
