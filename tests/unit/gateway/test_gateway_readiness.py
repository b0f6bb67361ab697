import asyncio
import threading

from unmask_gateway.readiness import Check, Probe, check_readiness
from unmask_shared.errors import ObjectNotFound


def test_a_check_that_hangs_is_reported_and_never_started_twice() -> None:
    release = threading.Event()
    starts = 0

    def hang() -> Check:
        nonlocal starts
        starts += 1
        release.wait(20)
        return Check(ok=True, detail="late")

    probes = [Probe("slow", hang), Probe("quick", lambda: Check(ok=True, detail="fine"))]

    async def ask_often() -> None:
        answers = await asyncio.gather(*(check_readiness(probes) for _ in range(3)))
        for readiness in answers:
            assert not readiness.ready
            assert not readiness.checks["slow"].ok
            assert readiness.checks["quick"].ok
        release.set()
        assert (await check_readiness(probes)).ready

    asyncio.run(asyncio.wait_for(ask_often(), 10))
    assert starts == 1


def test_a_check_that_fails_tells_why() -> None:
    def fail() -> Check:
        raise ObjectNotFound("The folder is gone.")

    readiness = asyncio.run(check_readiness([Probe("store", fail)]))
    assert readiness.checks["store"] == Check(ok=False, detail="The folder is gone.")
