"""The system calls that decoding needs, and no others.

Found by running the face pipeline and its tests with every call refused that is not listed, for
glibc. What is left out on purpose: everything that opens a file or a socket, starts a process,
sends a signal to another one, or makes memory executable.

Numbers are from the kernel's tables: `arch/x86/entry/syscalls/syscall_64.tbl` and, for aarch64,
`include/uapi/asm-generic/unistd.h`.
"""

from dataclasses import dataclass
from typing import Final

# What needs no look at its arguments. None: this architecture has no such call.
_PLAIN: Final[dict[str, tuple[int | None, int | None]]] = {
    # files that are open already
    "read": (0, 63),
    "readv": (19, 65),
    "pread64": (17, 67),
    "preadv": (295, 69),
    "write": (1, 64),
    "writev": (20, 66),
    "lseek": (8, 62),
    "fstat": (5, 80),
    "dup": (32, 23),
    "close": (3, 57),
    "poll": (7, None),
    "ppoll": (271, 73),
    "select": (23, None),
    "pselect6": (270, 72),
    # memory
    "munmap": (11, 215),
    "mremap": (25, 216),
    "brk": (12, 214),
    "madvise": (28, 233),
    # threads
    "futex": (202, 98),
    "set_robust_list": (273, 99),
    "rseq": (334, 293),
    "membarrier": (324, 283),
    "sched_yield": (24, 124),
    "sched_getaffinity": (204, 123),
    "getcpu": (309, 168),
    "exit": (60, 93),
    "exit_group": (231, 94),
    # signals to oneself
    "rt_sigaction": (13, 134),
    "rt_sigprocmask": (14, 135),
    "rt_sigreturn": (15, 139),
    "sigaltstack": (131, 132),
    "restart_syscall": (219, 128),
    # time and chance
    "clock_gettime": (228, 113),
    "clock_getres": (229, 114),
    "clock_nanosleep": (230, 115),
    "nanosleep": (35, 101),
    "gettimeofday": (96, 169),
    "time": (201, None),
    "getrandom": (318, 278),
    # what a process may know about itself and the machine
    "getpid": (39, 172),
    "gettid": (186, 178),
    "getppid": (110, 173),
    "getuid": (102, 174),
    "geteuid": (107, 175),
    "getgid": (104, 176),
    "getegid": (108, 177),
    "getrusage": (98, 165),
    "times": (100, 153),
    "sysinfo": (99, 179),
    "uname": (63, 160),
}


@dataclass(frozen=True, kw_only=True)
class Architecture:
    """A processor architecture as seccomp sees it.

    Attributes:
        audit: Its `AUDIT_ARCH_*` number from `linux/audit.h`.
        plain: Numbers of the calls that are allowed whatever their arguments.
        mmap: Number of this call, as for the following ones, which are allowed for some arguments.
    """

    audit: int
    plain: tuple[int, ...]
    mmap: int
    mprotect: int
    clone: int
    clone3: int
    tgkill: int
    fcntl: int
    prctl: int
    prlimit64: int
    newfstatat: int


X86_64: Final = Architecture(
    audit=0xC000_003E,
    plain=tuple(x86 for x86, _ in _PLAIN.values() if x86 is not None),
    mmap=9,
    mprotect=10,
    clone=56,
    clone3=435,
    tgkill=234,
    fcntl=72,
    prctl=157,
    prlimit64=302,
    newfstatat=262,
)
AARCH64: Final = Architecture(
    audit=0xC000_00B7,
    plain=tuple(arm for _, arm in _PLAIN.values() if arm is not None),
    mmap=222,
    mprotect=226,
    clone=220,
    clone3=435,
    tgkill=131,
    fcntl=25,
    prctl=167,
    prlimit64=261,
    newfstatat=79,
)
ARCHITECTURES: Final = {"x86_64": X86_64, "aarch64": AARCH64}
"""By the name that `platform.machine()` gives."""
