"""Cancelling and erasing videos that real workers are at."""

import time
from pathlib import Path

import pytest
from embedded_stack import RunningStack


def begun(stack: RunningStack, video: Path) -> str:
    """Id of a video whose frames are being searched."""
    video_id = stack.submit(video)
    while (state := stack.get(video_id))["progress"] <= 0.02:
        assert state["status"] in {"queued", "preprocessing"}, state
        time.sleep(0.005)
    return video_id


def stored_files(stack: RunningStack, video_id: str) -> list[str]:
    folder = stack.data_dir / "store" / "objects" / "videos" / video_id
    return sorted(path.name for path in folder.rglob("*") if path.is_file())


def next_video_is_judged(stack: RunningStack, video: Path) -> None:
    """Which tells that the worker has let go of the one before."""
    assert stack.wait_for(stack.submit(video), "completed", "failed")["status"] == "completed"


def test_a_cancelled_video_lets_its_worker_go(stack: RunningStack, demo_media: Path) -> None:
    video = demo_media / "astronaut_fake.mp4"
    video_id = begun(stack, video)
    answer = stack.client.post(f"/videos/{video_id}/cancel")
    if answer.status_code == 409:
        pytest.fail(f"the video had ended before it could be cancelled: {answer.text}")
    assert answer.json()["status"] == "cancelled"
    next_video_is_judged(stack, video)
    assert stack.get(video_id)["status"] == "cancelled"
    assert stored_files(stack, video_id) == ["cancelled.json", "record.json", "source"]


def test_an_erased_video_leaves_nothing_though_a_worker_is_at_it(
    stack: RunningStack, demo_media: Path
) -> None:
    video = demo_media / "astronaut_fake.mp4"
    video_id = begun(stack, video)
    assert stack.client.delete(f"/videos/{video_id}").status_code == 204
    assert stored_files(stack, video_id) == []
    next_video_is_judged(stack, video)
    assert stored_files(stack, video_id) == []
    assert stack.client.get(f"/videos/{video_id}").status_code == 404


def test_a_video_is_followed_listed_reported_and_given_back(
    stack: RunningStack, demo_media: Path
) -> None:
    video = demo_media / "astronaut_fake.mp4"
    video_id = stack.submit(video, heatmaps="true")
    with stack.client.stream("GET", f"/videos/{video_id}/events", timeout=120) as events:
        names = [line for line in events.iter_lines() if line.startswith("event:")]
    assert names[-1] == "event: final"
    listed = stack.client.get("/videos", params={"limit": 1}).json()["videos"]
    assert [(one["id"], one["status"]) for one in listed] == [(video_id, "completed")]
    report = stack.client.get(f"/videos/{video_id}/report")
    assert report.status_code == 200
    assert "data:image/jpeg;base64," in report.text
    assert "data:image/webp;base64," in report.text
    assert stack.client.get(f"/videos/{video_id}/source").content == video.read_bytes()
