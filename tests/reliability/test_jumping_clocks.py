"""Clocks that jump by an hour, each in another direction, lose nothing and end nothing twice."""

import time
from pathlib import Path

import psutil
from breakable_stack import BreakableStack, breakable_stack, comparable
from jumping_clock import AHEAD, BACK
from one_second_clips import make_clips

from unmask_shared.artifacts import failure_key, result_key


def jump(stack: BreakableStack, part: str, signum: int) -> None:
    process = stack.parts[part].process
    # A pool's processes have clocks of their own; the sandbox has none that counts.
    forks = [one for one in process.children() if "jumping_clock.py" in " ".join(one.cmdline())]
    for one in [process, *forks]:
        psutil.Process(one.pid).send_signal(signum)


def test_clocks_jump_while_videos_are_judged(tmp_path: Path) -> None:
    clip = make_clips(tmp_path / "clips")[0]
    with breakable_stack(tmp_path, store="local", jumping_clocks=True) as stack:
        undisturbed = comparable(stack.wait_for(stack.submit(clip.path)))
        before = outcomes(stack)
        video_ids = [stack.submit(clip.path) for _ in range(3)]
        stack.wait_for(video_ids[0], "preprocessing", "inferring", "completed")
        # The inference worker takes what the preprocessor has just taken for long forgotten.
        jump(stack, "inference", AHEAD)
        jump(stack, "preprocessor", BACK)
        video_ids += [stack.submit(clip.path) for _ in range(2)]
        jump(stack, "gateway", AHEAD)
        video_ids += [stack.submit(clip.path)]
        jump(stack, "preprocessor", AHEAD)
        jump(stack, "gateway", BACK)
        jump(stack, "gateway", BACK)
        video_ids += [stack.submit(clip.path)]
        for video_id in video_ids:
            assert comparable(stack.wait_for(video_id)) == undisturbed
            assert stack.store.exists(result_key(video_id))
            assert not stack.store.exists(failure_key(video_id))
        time.sleep(1)
        assert outcomes(stack) == before + len(video_ids)
        timings = stack.get(video_ids[0])["timings_ms"]
        assert all(ms is None or ms >= 0 for ms in timings.values())
        assert {part.starts for part in stack.parts.values()} == {1}
        assert stack.fsck().returncode == 0


def outcomes(stack: BreakableStack) -> float:
    lines = stack.client.get("/metrics").text.splitlines()
    return sum(float(line.split()[-1]) for line in lines if line.startswith("unmask_videos_"))
