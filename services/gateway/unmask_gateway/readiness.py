"""Tells whether everything that a video needs on its way is there."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Annotated, Final, Self

from pydantic import BaseModel, ConfigDict, Field

from unmask_gateway.threads import run_in_thread
from unmask_shared.errors import UnmaskError
from unmask_shared.job_store import WORKER_TTL_S, RedisJobStore
from unmask_shared.object_store import ObjectStore

_PATIENCE_S: Final = 2.5


class Check(BaseModel):
    """The state of one dependency."""

    model_config = ConfigDict(frozen=True)

    ok: bool
    detail: Annotated[str, Field(description="What was found, in words.")]


class Readiness(BaseModel):
    """Whether videos can be taken and will be processed."""

    model_config = ConfigDict(
        frozen=True,
        json_schema_extra={
            "example": {
                "ready": False,
                "checks": {
                    "object_store": {"ok": True, "detail": "takes data"},
                    "redis": {"ok": True, "detail": "answers"},
                    "preprocessor": {"ok": True, "detail": "1 worker"},
                    "inference": {"ok": False, "detail": "no worker was heard of for 15 s"},
                },
            }
        },
    )

    ready: Annotated[bool, Field(description="Whether all checks are ok.")]
    checks: dict[str, Check]

    @classmethod
    def of(cls, checks: dict[str, Check]) -> Self:
        """Sum up."""
        return cls(ready=all(check.ok for check in checks.values()), checks=checks)


class Probe:
    """One check that may hang; only one run of it is ever under way."""

    def __init__(self, name: str, check: Callable[[], Check]) -> None:
        self.name = name
        self._check = check
        self._running: asyncio.Future[Check] | None = None

    async def run(self) -> Check:
        """Return the state, within a few seconds even if the dependency does not answer."""
        if self._running is None or self._running.done():
            self._running = run_in_thread(self._check, name=f"probe-{self.name}")
        running = self._running  # another request may have begun the next run when this one ends
        done, _ = await asyncio.wait({running}, timeout=_PATIENCE_S)
        if not done:
            return Check(ok=False, detail=f"no answer for {_PATIENCE_S:g} s")
        try:
            return running.result()
        except UnmaskError as error:
            return Check(ok=False, detail=error.detail)


async def check_readiness(probes: Sequence[Probe]) -> Readiness:
    """Run all probes at once and sum up."""
    checks = await asyncio.gather(*(probe.run() for probe in probes))
    return Readiness.of({probe.name: check for probe, check in zip(probes, checks, strict=True)})


def make_probes(store: ObjectStore, jobs: RedisJobStore) -> list[Probe]:
    """Make the probes of everything that a video meets on its way."""

    def check_store() -> Check:
        store.check()
        return Check(ok=True, detail="takes data")

    def check_redis() -> Check:
        jobs.check()
        return Check(ok=True, detail="answers")

    def check_workers(role: str) -> Check:
        count = jobs.live_workers(role)
        if not count:
            return Check(ok=False, detail=f"no worker was heard of for {WORKER_TTL_S:g} s")
        return Check(ok=True, detail=f"{count} worker{'s' if count > 1 else ''}")

    return [
        Probe("object_store", check_store),
        Probe("redis", check_redis),
        Probe("preprocessor", lambda: check_workers("preprocessor")),
        Probe("inference", lambda: check_workers("inference")),
    ]
