"""Without a GPU nothing is told; with one, that it has memory."""

import time

import pytest
import torch

from unmask_inference.gpu_use import gpu_uses, telling_gpu_use
from unmask_shared.healthcheck import worker_name
from unmask_shared.job_store import RedisJobStore


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_without_a_gpu_nothing_is_told(job_store: RedisJobStore) -> None:
    assert gpu_uses() == []
    with telling_gpu_use(job_store):
        assert job_store.gpus.of([worker_name()]) == []


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU")
def test_memory_of_a_gpu_is_told(job_store: RedisJobStore) -> None:
    held = torch.zeros(64 * 1024**2, dtype=torch.uint8, device="cuda:0")
    with telling_gpu_use(job_store):
        deadline = time.monotonic() + 30
        while not (found := job_store.gpus.of([worker_name()])):
            assert time.monotonic() < deadline
            time.sleep(0.1)
    assert held.nbytes < found[0].memory_used_bytes < found[0].memory_bytes
    assert found[0].busy is None or 0 <= found[0].busy <= 1
