"""Runs a module with a clock that jumps when told by a signal: `jumping_clock.py MODULE`.

All of Python's clocks but the monotonic ones jump, in this process and in those that it forks.
"""

import runpy
import signal
import sys
import time

import time_machine

AHEAD, BACK = signal.SIGRTMIN, signal.SIGRTMIN + 1
JUMP_S = 3600

if __name__ == "__main__":
    clock = time_machine.travel(time.time(), tick=True).start()
    signal.signal(AHEAD, lambda *_: clock.shift(JUMP_S))
    signal.signal(BACK, lambda *_: clock.shift(-JUMP_S))
    del sys.argv[0]
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
