"""Worker processes that keep to one thread each."""

import os
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager

import cv2
from threadpoolctl import threadpool_limits

from unmask_shared.processes import die_with_parent
from unmask_trainer.interrupts import SHIELDED, children_end_with_it

_THREADS = "OMP_NUM_THREADS"


@contextmanager
def single_threaded_processes(workers: int) -> Iterator[ProcessPoolExecutor]:
    """A pool of fresh processes in which OpenCV and OpenMP use one thread.

    The face detector's OpenMP threads wait for each other in busy loops: beside other processes
    on the same cores that makes it several times slower. OpenMP reads its setting when it is
    loaded, so the setting has to be in the environment that the processes inherit.

    No job that waits is begun once the block has failed.
    """
    before = os.environ.get(_THREADS)
    os.environ[_THREADS] = "1"
    try:
        with (
            ProcessPoolExecutor(
                workers, mp_context=SHIELDED, initializer=keep_to_one_thread
            ) as pool,
            children_end_with_it(),
        ):
            try:
                yield pool
            except (KeyboardInterrupt, GeneratorExit):
                # The processes are ended, which breaks the pool, and Python 3.11 prints a traceback
                # when a pool breaks among cancelled jobs.
                raise
            except BaseException:
                pool.shutdown(cancel_futures=True)
                raise
    finally:
        if before is None:
            del os.environ[_THREADS]
        else:
            os.environ[_THREADS] = before


def keep_to_one_thread() -> None:
    """Begin a worker process: OpenCV, OpenMP and NumPy's OpenBLAS use one thread each.

    Those of OpenBLAS, too, wait for each other in busy loops, and hold up a training on the same
    cores.
    """
    # A run that is killed must not leave its helpers behind.
    die_with_parent()
    cv2.setNumThreads(1)
    threadpool_limits(1)
