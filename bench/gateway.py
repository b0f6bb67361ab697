"""Measures the gateway: `PYTHONPATH=tests/assets python bench/gateway.py`.

Uploads of 1 GiB against the same bytes straight into the object store, in turns, and the memory
that the gateway takes for them. Then `GET /videos/{id}` against an empty route of a bare FastAPI
application, in turns, under load from keep-alive connections.
"""

import argparse
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

import httpx
import psutil
from finished_video import keep_finished_video, keep_queued_video
from gateway_process import GatewayProcess, running_gateway, settings_of
from gateway_uploads import (
    MIB,
    growth_mib,
    put_in_folder,
    put_in_one_request,
    put_in_parts,
    send_many,
    send_to_gateway,
)
from http_load import Load, load
from pydantic import SecretStr
from real_services import BUCKET, SeaweedServer, ValkeyServer, free_ports
from timing import print_table

from unmask_shared.job_store import make_job_store
from unmask_shared.object_store import LocalObjectStore
from unmask_shared.settings import JobSettings

AT_ONCE = 20
CONNECTIONS = 32
EMPTY_APP = Path(__file__).with_name("empty_app.py")


def measure_uploads(
    gateway: GatewayProcess, straight: Mapping[str, Callable[[], float]], *, size: int, rounds: int
) -> list[tuple[str, ...]]:
    candidates = {**straight, "through the gateway": lambda: send_to_gateway(gateway, size)}
    times: dict[str, list[float]] = {name: [] for name in candidates}
    used: dict[str, list[float]] = {name: [] for name in candidates}
    process = psutil.Process(gateway.pid)
    for _ in range(rounds):
        for name, run in candidates.items():
            before = sum(process.cpu_times()[:2])
            with growth_mib(gateway) as memory:
                times[name].append(run())
            used[name].append(sum(process.cpu_times()[:2]) - before)
    medians = {name: statistics.median(taken) for name, taken in times.items()}
    fastest = min(medians[name] for name in straight)
    return [
        (
            name,
            f"{seconds:.1f}",
            f"{seconds / fastest:.2f}",
            *(
                ("", "")
                if name in straight
                else (f"{statistics.median(used[name]):.1f}", f"{max(memory):.0f}")
            ),
        )
        for name, seconds in medians.items()
    ]


def measure_requests(folder: Path, *, redis_url: str, seconds: float, rounds: int) -> None:
    """Print what asking for a video costs, beside a request that costs as little as can be."""
    [port] = free_ports(1)
    empty = subprocess.Popen([sys.executable, str(EMPTY_APP), str(port)])  # noqa: S603 # our own program
    try:
        with running_gateway(folder, redis_url=redis_url) as gateway:
            jobs = make_job_store(JobSettings(redis_url=SecretStr(redis_url)))
            store = LocalObjectStore(gateway.data_dir / "store")
            finished = f"{gateway.url}/videos/{keep_finished_video(store, jobs)}"
            queued = f"{gateway.url}/videos/{keep_queued_video(store, jobs)}"
            candidates = {
                "an empty route of FastAPI": f"http://127.0.0.1:{port}/empty",
                "GET /healthz": f"{gateway.url}/healthz",
                f"GET /videos/ID, finished, {len(httpx.get(finished).content)} bytes": finished,
                "GET /videos/ID, queued": queued,
            }
            processes = {
                name: psutil.Process(gateway.pid if url.startswith(gateway.url) else empty.pid)
                for name, url in candidates.items()
            }
            loads: dict[str, list[Load]] = {name: [] for name in candidates}
            processor_us: dict[str, list[float]] = {name: [] for name in candidates}
            for _ in range(rounds):
                for name, url in candidates.items():
                    before = sum(processes[name].cpu_times()[:2])
                    found = load(url, connections=CONNECTIONS, seconds=seconds)
                    used_s = sum(processes[name].cpu_times()[:2]) - before
                    loads[name].append(found)
                    processor_us[name].append(used_s / (found.per_s * seconds) * 1e6)
    finally:
        empty.terminate()
        empty.wait()
    [floor, *_] = [statistics.median(one.per_s for one in found) for found in loads.values()]
    print_table(
        (f"{CONNECTIONS} connections", "a second", "share", "p50, ms", "p99, ms", "processor, us"),
        [
            (
                name,
                f"{(per_s := statistics.median(one.per_s for one in found)):.0f}",
                f"{per_s / floor:.2f}",
                f"{statistics.median(one.median_ms for one in found):.1f}",
                f"{statistics.median(one.p99_ms for one in found):.1f}",
                f"{statistics.median(processor_us[name]):.0f}",
            )
            for name, found in loads.items()
        ],
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mib", type=int, default=1024)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=5.0)
    options = parser.parse_args()
    size = options.mib * MIB
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "valkey").mkdir()
        valkey = ValkeyServer(folder / "valkey")
        valkey.run()
        (folder / "requests").mkdir()
        measure_requests(
            folder / "requests",
            redis_url=valkey.url,
            seconds=options.seconds,
            rounds=options.rounds,
        )
        limits = {"max_parallel_uploads": AT_ONCE}
        (folder / "local").mkdir()
        with running_gateway(folder / "local", redis_url=valkey.url, **limits) as gateway:
            local = LocalObjectStore(folder / "straight")
            straight = {"straight into the folder": lambda: put_in_folder(local, size)}
            rows = measure_uploads(gateway, straight, size=size, rounds=options.rounds)
            print_table(
                (f"{options.mib} MiB, local store", "s", "ratio", "processor, s", "memory, MiB"),
                rows,
            )
        (folder / "weed").mkdir()
        weed = SeaweedServer(folder / "weed")
        weed.run()
        (folder / "s3").mkdir()
        with running_gateway(
            folder / "s3", redis_url=valkey.url, **(settings_of(weed.settings()) | limits)
        ) as gateway:
            client = weed.client()
            straight = {
                "one PUT": lambda: put_in_one_request(client, BUCKET, size),
                "MinIO's client, 4 parts at a time": lambda: put_in_parts(client, BUCKET, size),
            }
            rows = measure_uploads(gateway, straight, size=size, rounds=options.rounds)
            print_table(
                (f"{options.mib} MiB, SeaweedFS", "s", "ratio", "processor, s", "memory, MiB"), rows
            )
            weed.empty()
            with growth_mib(gateway) as memory:
                seconds = send_many(gateway, count=AT_ONCE, size=size // AT_ONCE)
            print_table(
                (f"{AT_ONCE} uploads at once", "s", "memory, MiB"),
                [(f"{size // AT_ONCE // MIB} MiB each", f"{seconds:.1f}", f"{max(memory):.0f}")],
            )
        weed.kill()
        valkey.kill()


if __name__ == "__main__":
    main()
