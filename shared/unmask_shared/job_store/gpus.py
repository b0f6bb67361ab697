"""What the GPUs of workers are used for, as each worker told last."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, cast

import redis
from pydantic import TypeAdapter

from unmask_shared.job_store.connection import Keys, milliseconds, translated


@dataclass(frozen=True, kw_only=True)
class GpuUse:
    """One GPU at one moment.

    Attributes:
        host: Name of the machine.
        device: Number of the GPU there.
        memory_used_bytes: By all processes.
        memory_bytes: All that it has.
        busy: Share of the last moments in which it computed, in [0, 1]; None where NVML is missing.
    """

    host: str
    device: int
    memory_used_bytes: int
    memory_bytes: int
    busy: float | None


_USES: Final = TypeAdapter(list[GpuUse])


class Gpus:
    """Notes and tells; every method raises `JobStoreUnavailable` when Redis does not answer."""

    def __init__(self, client: "redis.Redis", keys: Keys) -> None:
        self._redis = client
        self._keys = keys

    def note(self, worker: str, uses: Sequence[GpuUse], ttl_s: float) -> None:
        """Note the GPUs that a worker uses; forgotten after this time."""
        text = _USES.dump_json(list(uses)).decode()
        with translated():
            self._redis.set(self._keys.gpus(worker), text, px=milliseconds(ttl_s))

    def of(self, workers: Sequence[str]) -> list[GpuUse]:
        """The GPUs of these workers; one that several of them use is told once."""
        if not workers:
            return []
        with translated():
            found = cast("list[str | None]", self._redis.mget(map(self._keys.gpus, workers)))
        told = {
            (use.host, use.device): use
            for text in found
            if text
            for use in _USES.validate_json(text)
        }
        return [told[place] for place in sorted(told)]
