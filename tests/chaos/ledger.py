"""What became of every video of a chaos run."""

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from breakable_stack import FINAL, BreakableStack, comparable
from traffic import Sent, Traffic

from unmask_shared.artifacts import (
    cancellation_key,
    failure_key,
    record_key,
    result_key,
    video_prefix,
)


@dataclass(kw_only=True)
class Ledger:
    """Counts, and what must not be."""

    accepted: int = 0
    ended: Counter[str] = field(default_factory=Counter)
    lost: list[str] = field(default_factory=list)
    ended_twice: list[str] = field(default_factory=list)
    differing: list[str] = field(default_factory=list)
    came_back: list[str] = field(default_factory=list)
    unasked: list[str] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    orphans_before: Counter[str] = field(default_factory=Counter)
    orphans_after: list[str] = field(default_factory=list)
    grown: list[str] = field(default_factory=list)

    @property
    def is_good(self) -> bool:
        """Whether nothing is in it that must not be."""
        return not any(
            (
                self.lost,
                self.ended_twice,
                self.differing,
                self.came_back,
                self.unasked,
                self.refused,
                self.orphans_after,
                self.grown,
            )
        )

    def __str__(self) -> str:
        lines = [f"{'accepted':<30} {self.accepted}"]
        lines += [f"  {how:<28} {count}" for how, count in sorted(self.ended.items())]
        for name, wrong in {
            "lost": self.lost,
            "ended twice": self.ended_twice,
            "results differing": self.differing,
            "came back when erased": self.came_back,
            "nobody asked for": self.unasked,
            "refused or given up": self.refused,
            "wrong after fsck": self.orphans_after,
            "grown": self.grown,
        }.items():
            lines.append(f"{name:<30} {len(wrong)}")
            lines += [f"    {one}" for one in wrong[:10]]
        mended = ", ".join(f"{kind} {count}" for kind, count in self.orphans_before.items())
        lines.append(f"{'fsck mended':<30} {mended or 'nothing'}")
        return "\n".join(lines)


def draw_up(
    stack: BreakableStack,
    traffic: Traffic,
    undisturbed: Mapping[str, Any],
    *,
    first: set[str],
    seen: Mapping[str, str],
) -> Ledger:
    """Look at every video, over HTTP and in the store.

    Args:
        stack: Whole again, with nothing on its way.
        traffic: What was sent.
        undisturbed: What each clip gave when nothing was broken, by its name.
        first: Ids of the videos that this was found out with.
        seen: Status of each video when a client first saw that it had ended.
    """
    ledger = Ledger(accepted=len(traffic.accepted))
    ledger.refused = [*traffic.refused, *(f"given up: {name}" for name in traffic.given_up)]
    for sent in traffic.accepted:
        _enter(stack, sent, undisturbed, seen.get(sent.id), ledger)
    known = first | set(traffic.ids())
    stored = {
        key.split("/")[1] for key in stack.store.keys("videos/") if key.endswith("/record.json")
    }
    ledger.unasked = sorted(stored - known)
    return ledger


def _enter(
    stack: BreakableStack,
    sent: Sent,
    undisturbed: Mapping[str, Any],
    seen: str | None,
    ledger: Ledger,
) -> None:
    name = f"{sent.id} ({sent.clip.name})"
    if sent.erased:
        ledger.ended["erased"] += 1
        if list(stack.store.keys(video_prefix(sent.id))):
            ledger.came_back.append(name)
        return
    has = {
        key: stack.store.exists(key(sent.id))
        for key in (record_key, result_key, failure_key, cancellation_key)
    }
    if not has[record_key]:
        ledger.lost.append(name)
        return
    state = stack.get(sent.id)
    if state["status"] not in FINAL:
        ledger.lost.append(f"{name}: {state['status']}")
        return
    if state["status"] == "failed":
        ledger.ended[f"failed: {state['failure']['code']}"] += 1
    else:
        ledger.ended[state["status"]] += 1
    told = "cancelled" if sent.cancel_asked else seen
    if (has[result_key] and has[failure_key]) or state["status"] != told:
        ledger.ended_twice.append(f"{name}: {told}, then {state['status']}")
    if state["status"] == "cancelled":
        return
    expected = undisturbed[sent.clip.name]
    if comparable(state) != expected:
        ledger.differing.append(f"{name}: {json.dumps(comparable(state))[:300]}")
