"""Keeping child processes from outliving whoever started them."""

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1


def die_with_parent(signum: int = signal.SIGKILL) -> None:
    """Ask the kernel to send this process a signal when its parent dies, however it dies.

    Linux only; elsewhere nothing happens. The parent is the thread that started this process, so
    it must be one that lives as long as the parent does, in practice the main thread.
    """
    if sys.platform != "linux":
        return
    parent = os.getppid()
    if ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signum) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG) failed")
    if os.getppid() != parent:  # it died before the kernel knew of the wish
        os.kill(os.getpid(), signum)
