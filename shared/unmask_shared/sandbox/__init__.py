"""Running code on files from strangers in processes that can do nothing else.

A `Sandbox` runs a function in a child process that has one open file to read and one pipe to answer
on. The child has limits on memory and time, cannot open files, sockets or processes, and whatever
becomes of it ends in a result or in a typed error. Decision 0005 in `docs/adr/` has the reasons.

The function comes from a factory, named as `MODULE:NAME`, that is called once and loads what the
function needs; each job then runs in a fork of that process.
"""

from unmask_shared.sandbox.answer import SandboxResult
from unmask_shared.sandbox.errors import SandboxFailure
from unmask_shared.sandbox.limits import SandboxLimits
from unmask_shared.sandbox.reply import Reply, Serve
from unmask_shared.sandbox.sandbox import Sandbox
from unmask_shared.sandbox.seccomp import SyscallFilter, default_filter

__all__ = [
    "Reply",
    "Sandbox",
    "SandboxFailure",
    "SandboxLimits",
    "SandboxResult",
    "Serve",
    "SyscallFilter",
    "default_filter",
]
