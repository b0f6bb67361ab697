"""Measures the gateway: `PYTHONPATH=tests/assets python bench/gateway.py`.

Uploads of 1 GiB against the same bytes straight into the object store, in turns, and the memory
that the gateway takes for them. Then `GET /videos/{id}` against an empty route of a bare FastAPI
application, in turns, under load from keep-alive connections.
"""

import argparse
import statistics
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

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
from real_services import BUCKET, SeaweedServer, ValkeyServer
from timing import print_table

from unmask_shared.object_store import LocalObjectStore

AT_ONCE = 20


def measure_uploads(
    gateway: GatewayProcess, straight: Mapping[str, Callable[[], float]], *, size: int, rounds: int
) -> list[tuple[str, ...]]:
    candidates = {**straight, "through the gateway": lambda: send_to_gateway(gateway, size)}
    times: dict[str, list[float]] = {name: [] for name in candidates}
    with growth_mib(gateway) as memory:
        for _ in range(rounds):
            for name, run in candidates.items():
                times[name].append(run())
    medians = {name: statistics.median(taken) for name, taken in times.items()}
    fastest = min(medians[name] for name in straight)
    return [
        (
            name,
            f"{seconds:.1f}",
            f"{seconds / fastest:.2f}",
            f"{max(memory):.0f}" if name not in straight else "",
        )
        for name, seconds in medians.items()
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mib", type=int, default=1024)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    size = options.mib * MIB
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "valkey").mkdir()
        valkey = ValkeyServer(folder / "valkey")
        valkey.run()
        limits = {"max_parallel_uploads": AT_ONCE}
        (folder / "local").mkdir()
        with running_gateway(folder / "local", redis_url=valkey.url, **limits) as gateway:
            local = LocalObjectStore(folder / "straight")
            straight = {"straight into the folder": lambda: put_in_folder(local, size)}
            rows = measure_uploads(gateway, straight, size=size, rounds=options.rounds)
            print_table((f"{options.mib} MiB, local store", "s", "ratio", "memory, MiB"), rows)
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
            print_table((f"{options.mib} MiB, SeaweedFS", "s", "ratio", "memory, MiB"), rows)
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
