"""Runs the gateway: `python -m unmask_gateway`; `keys` manages API keys, `fsck` checks the data."""

import argparse
import logging
import sys
from collections.abc import Callable, Sequence
from types import FrameType

import uvicorn

from unmask_gateway.access.commands import add_key_commands
from unmask_gateway.access.key_store import KeyStore
from unmask_gateway.asgi import make_app_from_environment
from unmask_gateway.connections import allow_open_files, bounded_connections
from unmask_gateway.fsck.command import COULD_NOT_LOOK, add_fsck_options, run_fsck
from unmask_gateway.settings import GatewaySettings
from unmask_shared.errors import UnmaskError
from unmask_shared.logs import configure_logging
from unmask_shared.object_store import make_object_store
from unmask_shared.settings import LogSettings, StoreSettings

log = logging.getLogger("unmask_gateway")


def main(arguments: Sequence[str] | None = None) -> int:
    """Parse the command line and run the command; without one, serve.

    Returns:
        The exit code.
    """
    parser = argparse.ArgumentParser(prog="unmask_gateway", description=__doc__)
    commands = parser.add_subparsers(dest="command")
    add_key_commands(commands.add_parser("keys", help="make, list and revoke API keys"))
    add_fsck_options(
        commands.add_parser("fsck", help="check that the object store and Redis fit together")
    )
    options = parser.parse_args(arguments)
    configure_logging("gateway", LogSettings())
    try:
        if options.command == "fsck":
            return run_fsck(options)
        if options.command == "keys":
            _manage_keys(options)
        elif not _serve():
            return 1
    except UnmaskError as error:
        log.error("%s %s", error.detail, error.action)  # noqa: TRY400 - a mistake has no traceback
        return COULD_NOT_LOOK if options.command == "fsck" else 1
    return 0


def _manage_keys(options: argparse.Namespace) -> None:
    store = make_object_store(StoreSettings())
    store.check()  # makes the bucket of a new S3 store
    options.run(KeyStore(store), options)


class _Server(uvicorn.Server):
    """Lets clients go that follow videos, who would hold up the shutdown to its very end."""

    def __init__(self, config: uvicorn.Config, *, end_streams: Callable[[], None]) -> None:
        super().__init__(config)
        self._end_streams = end_streams

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Begin the shutdown."""
        self._end_streams()
        super().handle_exit(sig, frame)


def _serve() -> bool:
    """Serve until SIGTERM or SIGINT; returns whether the server came up."""
    settings = GatewaySettings()
    allow_open_files(settings)
    app = make_app_from_environment(settings)
    log.info("listening on http://%s:%d", settings.host, settings.port)
    config = uvicorn.Config(
        app,
        host=settings.host,
        port=settings.port,
        http=bounded_connections(settings),
        ws="none",
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_keep_alive=settings.keep_alive_s,
        timeout_graceful_shutdown=settings.shutdown_grace_s,
    )
    server = _Server(config, end_streams=app.state.end_streams)
    server.run()
    return server.started


if __name__ == "__main__":
    sys.exit(main())
