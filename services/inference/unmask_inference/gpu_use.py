"""What the GPUs of this process are used for, where there are any."""

import logging
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from unmask_shared.errors import JobStoreUnavailable
from unmask_shared.healthcheck import worker_name
from unmask_shared.job_store import WORKER_TTL_S, GpuUse, RedisJobStore

log = logging.getLogger(__name__)


def gpu_uses() -> list[GpuUse]:
    """Look at every GPU that CUDA shows this process; empty where there is none."""
    if not torch.cuda.is_available():
        return []
    return [_look_at(device) for device in range(torch.cuda.device_count())]


def _look_at(device: int) -> GpuUse:
    free, total = torch.cuda.mem_get_info(device)
    try:
        busy = torch.cuda.utilization(device) / 100
    except (
        ModuleNotFoundError,
        RuntimeError,
    ):  # without NVML, or where its driver has another version
        busy = None
    return GpuUse(
        host=socket.gethostname(),
        device=device,
        memory_used_bytes=total - free,
        memory_bytes=total,
        busy=busy,
    )


@contextmanager
def telling_gpu_use(jobs: RedisJobStore) -> Iterator[None]:
    """Tell it every few seconds while the body runs; nothing is done where there is no GPU."""
    if not gpu_uses():
        yield
        return
    stopped = threading.Event()

    def tell() -> None:
        while not stopped.wait(WORKER_TTL_S / 3):
            try:
                jobs.gpus.note(worker_name(), gpu_uses(), WORKER_TTL_S)
            except JobStoreUnavailable as error:
                log.warning("the use of GPUs is not told: %s", error.detail)

    teller = threading.Thread(target=tell, name="gpu-use", daemon=True)
    teller.start()
    try:
        yield
    finally:
        stopped.set()
        teller.join()
