"""Tells whether the worker on this host lives: `python -m unmask_shared.healthcheck ROLE`.

For container health checks: a container is a host of its own, so the answer is about the one worker
in it, not about others of the same role.
"""

import argparse
import os
import socket
import sys
from collections.abc import Sequence

from unmask_shared.errors import JobStoreUnavailable
from unmask_shared.job_store import WORKER_TTL_S, RedisJobStore, make_job_store
from unmask_shared.settings import JobSettings


def worker_name() -> str:
    """Name under which the worker in this process announces itself."""
    return f"{socket.gethostname()}:{os.getpid()}"


def worker_lives_here(jobs: RedisJobStore, role: str) -> bool:
    """Whether a worker of this role on this host announced itself lately.

    Raises:
        JobStoreUnavailable: Redis, where workers announce themselves, does not answer.
    """
    host = socket.gethostname()
    return any(name.rpartition(":")[0] == host for name in jobs.live_worker_names(role))


def main(arguments: Sequence[str] | None = None) -> int:
    """Check the worker whose role stands in the arguments.

    Returns:
        The exit code: 0 when it lives, 1 when not; standard error says why not.
    """
    parser = argparse.ArgumentParser(
        prog="python -m unmask_shared.healthcheck",
        description="Exits with 0 when the worker on this host lives.",
    )
    parser.add_argument("role", choices=("preprocessor", "inference", "trainer"))
    role = parser.parse_args(arguments).role
    try:
        lives = worker_lives_here(make_job_store(JobSettings()), role)
    except JobStoreUnavailable as error:
        sys.stderr.write(f"{error.detail}\n")
        return 1
    if not lives:
        sys.stderr.write(f"No {role} worker on this host was heard of for {WORKER_TTL_S:g} s.\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
