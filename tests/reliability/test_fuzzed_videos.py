"""Videos changed at random, over HTTP and through everything: each ends, as itself or as refused.

`make fuzz SEED=... COUNT=...` sends others, and more of them.
"""

import os
from collections import Counter

import psutil
import pytest
from embedded_stack import RunningStack
from mutated_videos import mutated

MIB = 1024 * 1024
SEED = int(os.environ.get("UNMASK_FUZZ_SEED", "1"))
COUNT = int(os.environ.get("UNMASK_FUZZ_COUNT", "40"))
REFUSALS = {"not_a_video", "empty_upload"}
FAILURES = {"unreadable_video", "no_video_stream", "video_too_demanding", "not_a_video"}
# What no video may leave behind in any process.
MOST_GROWTH = 256 * MIB


def memory(stack: RunningStack) -> dict[int, int]:
    found = {}
    for process in stack.processes():
        try:
            found[process.pid] = process.memory_info().rss
        except psutil.NoSuchProcess:
            continue
    return found


@pytest.mark.timeout(600 + 10 * COUNT)
def test_mutated_videos_end_over_http_as_they_should(
    stack: RunningStack, capsys: pytest.CaptureFixture[str]
) -> None:
    before = memory(stack)
    ends: Counter[str] = Counter()
    wrong, sent = [], {}
    for name, data in mutated(SEED, COUNT):
        answer = stack.client.post("/videos", files={"file": ("video.mp4", data, "video/mp4")})
        if answer.status_code == 202:
            sent[name] = answer.json()["id"]
        else:
            code = answer.json()["code"]
            ends[f"refused: {code}"] += 1
            if code not in REFUSALS:
                wrong.append(f"{name}: {answer.text}")
    for name, video_id in sent.items():
        state = stack.wait_for(video_id, "completed", "failed", limit_s=300)
        code = state["failure"]["code"] if state["status"] == "failed" else ""
        ends[f"{state['status']}: {code}".strip(": ")] += 1
        if state["status"] == "failed" and code not in FAILURES:
            wrong.append(f"{name}: {state['failure']}")
    with capsys.disabled():
        print(f"\nseed {SEED}: {dict(ends)}")
    assert wrong == []
    assert ends.total() == COUNT
    assert ends["completed"] > 0
    after = memory(stack)
    assert before.keys() & after.keys()
    assert all(after[pid] - before[pid] < MOST_GROWTH for pid in before.keys() & after.keys())
    assert "Traceback" not in stack.log_file.read_text()
    assert stack.client.get("/readyz").status_code == 200
