"""`python -m unmask_standalone serve` and `demo`: Unmask on one machine, without containers."""

import argparse
import logging
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from unmask_shared.access_policy import AccessPolicy
from unmask_shared.errors import UnmaskError
from unmask_shared.logs import configure_logging
from unmask_shared.processes import die_with_parent
from unmask_shared.settings import LogSettings
from unmask_standalone.demo import run_demo
from unmask_standalone.settings import StandaloneSettings
from unmask_standalone.stack import Stack

log = logging.getLogger(__name__)


def main(arguments: Sequence[str] | None = None) -> int:
    """Parse the command line and run the command.

    Returns:
        The exit code.
    """
    parser = argparse.ArgumentParser(prog="unmask_standalone", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    serve = commands.add_parser("serve", help="run the whole of Unmask until Ctrl-C")
    serve.add_argument("--host", help="address of the gateway (UNMASK_HOST, 127.0.0.1)")
    serve.add_argument("--port", type=int, help="port of the gateway (UNMASK_PORT, 8000)")
    serve.add_argument("--data-dir", type=Path, help="data folder (UNMASK_DATA_DIR, .data)")
    demo = commands.add_parser("demo", help="analyse videos with a stack that lives for that long")
    demo.add_argument("videos", nargs="+", type=Path)
    for command in (serve, demo):
        command.add_argument(
            "--die-with-parent", action="store_true", help="end when the calling process ends"
        )
    options = parser.parse_args(arguments)
    configure_logging("standalone", LogSettings())
    if options.die_with_parent:
        die_with_parent(signal.SIGTERM)
    # SIGTERM and a closed terminal end the program like Ctrl-C, so that `finally` blocks run.
    for signum in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(signum, signal.default_int_handler)
    try:
        if options.command == "demo":
            return run_demo(options.videos)
        return _serve(options)
    except UnmaskError as error:
        log.error("%s %s", error.detail, error.action)  # noqa: TRY400 - a user's mistake has no traceback
        return 1
    except KeyboardInterrupt:
        return 130


def _serve(options: argparse.Namespace) -> int:
    names = ("host", "port", "data_dir")
    given = {name: value for name in names if (value := getattr(options, name)) is not None}
    stop_asked = False

    def stop(*_: object) -> None:
        nonlocal stop_asked
        stop_asked = True

    for signum in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(signum, stop)
    settings = StandaloneSettings(**given)
    # The gateway refuses as well, but would be started again and again.
    AccessPolicy().check_address(settings.host)
    Stack(settings).run(lambda: stop_asked)
    return 0


if __name__ == "__main__":
    sys.exit(main())
