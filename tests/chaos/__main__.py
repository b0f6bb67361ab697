"""`make chaos`: sends videos through a real stack that keeps breaking, and draws up a ledger.

    PYTHONPATH=tests/assets python tests/chaos --videos 200 --seed 1

What goes wrong, and after how many videos, comes from the seed; how the processes interleave does
not, so a run cannot be repeated exactly. It exits with 1 if anything was lost, ended twice, or came
out otherwise than in an undisturbed run.
"""

import argparse
import json
import random
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

from breakable_stack import FINAL, BreakableStack, breakable_stack, comparable
from faults import Faults
from ledger import Ledger, draw_up
from one_second_clips import make_clips
from traffic import Traffic

_SETTINGS = {
    # A video may meet more kills than operators allow for.
    "UNMASK_MAX_ATTEMPTS": "20",
    "UNMASK_LOG_LEVEL": "INFO",
}
_LONGEST_PAUSE_S = 25.0
_FDS_SLACK, _MEMORY_SLACK = 60, 400 * 1024 * 1024


def main() -> int:
    """Run and print the ledger."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--videos", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument(
        "--every", type=int, default=4, help="a fault comes after 1 to so many videos ended"
    )
    parser.add_argument("--limit", type=float, default=900.0, help="seconds for all to end")
    parser.add_argument("--keep", type=Path, help="folder for data and logs; must not exist")
    options = parser.parse_args()
    if options.keep:
        options.keep.mkdir(parents=True)
        return _run(options, options.keep)
    with tempfile.TemporaryDirectory(prefix="unmask-chaos-") as folder:
        return _run(options, Path(folder))


def _run(options: argparse.Namespace, folder: Path) -> int:
    clips = make_clips(folder / "clips")
    started_at = time.monotonic()
    with breakable_stack(folder, settings=_SETTINGS) as stack:
        _say(f"ready after {time.monotonic() - started_at:.0f} s")
        first = {clip.name: stack.submit(clip.path, **clip.options) for clip in clips}
        undisturbed = {name: comparable(stack.wait_for(id_)) for name, id_ in first.items()}
        usage = {name: part.usage() for name, part in stack.parts.items()}

        unfinished = Unfinished(stack)
        traffic = Traffic(
            str(stack.client.base_url),
            clips,
            videos=options.videos,
            seed=options.seed,
            unfinished=lambda: unfinished.count,
        )
        faults = Faults(stack, random.Random(options.seed), traffic.ids)
        pauses = random.Random(f"{options.seed}/pauses")
        broken_at = time.monotonic()
        traffic.start(4)
        while not traffic.is_over:
            faults.one()
            # By videos, not by the clock: a slow machine must not be broken without a pause.
            enough = unfinished.ended + pauses.randint(1, options.every)
            end = time.monotonic() + _LONGEST_PAUSE_S
            while time.monotonic() < end and unfinished.ended < enough and not traffic.is_over:
                stack.tend()
                unfinished.look(traffic.ids())
                time.sleep(0.1)
        _say(
            f"{len(traffic.accepted)} accepted in {traffic.tries} tries and "
            f"{time.monotonic() - broken_at:.0f} s; {faults.count.total()} faults:"
        )
        for name, count in faults.count.most_common():
            _say(f"  {name.replace('_', ' ')}: {count}")
        _wait_for_the_end(stack, traffic, unfinished, options.limit)
        _say(f"all at rest {time.monotonic() - broken_at:.0f} s after the first fault")
        ledger = draw_up(
            stack, traffic, undisturbed, first=set(first.values()), seen=unfinished.seen_at_end
        )
        missing = options.videos - len(traffic.accepted) - len(ledger.refused)
        if missing:
            ledger.refused.append(f"{missing} were never answered: see the errors above")
        _check_data(stack, ledger)
        _check_growth(stack, usage, ledger)
        (folder / "ledger.txt").write_text(str(ledger))
    sys.stdout.write(f"\nseed {options.seed}\n{ledger}\n")
    return 0 if ledger.is_good else 1


class Unfinished:
    """Counts the videos that have not ended, asking for each until it has."""

    def __init__(self, stack: BreakableStack) -> None:
        self._stack = stack
        self.seen_at_end: dict[str, str] = {}
        self.count = 0

    def look(self, ids: list[str]) -> None:
        open_ids = [video_id for video_id in ids if video_id not in self.seen_at_end]
        for video_id in open_ids[:40]:
            status = self._status(video_id)
            if status in FINAL | {"erased"}:
                self.seen_at_end[video_id] = status
        self.count = len(set(ids) - self.seen_at_end.keys())

    @property
    def ended(self) -> int:
        return len(self.seen_at_end)

    def _status(self, video_id: str) -> str:
        if not self._stack.parts["gateway"].is_alive:
            return "unknown"
        try:
            answer = self._stack.client.get(f"/videos/{video_id}", timeout=5)
        except Exception:  # noqa: BLE001 - whatever it is, it is asked again
            return "unknown"
        if answer.status_code == 404:
            return "erased"
        return str(answer.json().get("status")) if answer.status_code == 200 else "unknown"


def _wait_for_the_end(
    stack: BreakableStack, traffic: Traffic, unfinished: Unfinished, limit_s: float
) -> None:
    deadline = time.monotonic() + limit_s
    while time.monotonic() < deadline:
        stack.tend()
        unfinished.look(traffic.ids())
        if not unfinished.count and stack.is_ready():
            return
        time.sleep(0.3)


def _check_data(stack: BreakableStack, ledger: Ledger) -> None:
    """Let the gateway's own chores pass, then fsck, which has to find nothing in the end."""
    time.sleep(2 * 8 + 2)
    done = stack.fsck("--repair", "--json")
    if done.returncode not in {0, 1}:
        ledger.orphans_after.append(f"fsck could not look: {done.stderr[-500:]}")
        return
    found: list[dict[str, Any]] = [json.loads(line) for line in done.stdout.splitlines()]
    kinds = Counter(one["kind"] for one in found if "kind" in one)
    ledger.orphans_before = kinds
    again = stack.fsck("--deep", "--json")
    ledger.orphans_after = [line for line in again.stdout.splitlines() if '"kind"' in line]
    if again.returncode != 0 and not ledger.orphans_after:
        ledger.orphans_after.append(f"fsck exited with {again.returncode}: {again.stderr[-500:]}")


def _check_growth(
    stack: BreakableStack, before: dict[str, tuple[int, int]], ledger: Ledger
) -> None:
    for name, part in stack.parts.items():
        (fds, memory), (fds_before, memory_before) = part.usage(), before[name]
        _say(
            f"{name}: started {part.starts} times, {fds_before} -> {fds} open files, "
            f"{memory_before >> 20} -> {memory >> 20} MiB"
        )
        if fds > fds_before + _FDS_SLACK or memory > memory_before + _MEMORY_SLACK:
            ledger.grown.append(name)


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
