"""Runs the gateway: `python -m unmask_gateway`."""

import logging

import uvicorn

from unmask_gateway.asgi import make_app_from_environment
from unmask_gateway.settings import GatewaySettings
from unmask_shared.logs import configure_logging
from unmask_shared.settings import LogSettings

log = logging.getLogger("unmask_gateway")


def main() -> None:
    """Serve until SIGTERM or SIGINT."""
    configure_logging("gateway", LogSettings())
    settings = GatewaySettings()
    app = make_app_from_environment(settings)
    log.info("listening on http://%s:%d", settings.host, settings.port)
    uvicorn.run(
        app,
        host=settings.host,
        port=settings.port,
        http="httptools",
        ws="none",
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_keep_alive=settings.keep_alive_s,
        timeout_graceful_shutdown=settings.shutdown_grace_s,
    )


if __name__ == "__main__":
    main()
