"""`unmask serve`: the whole of Unmask on this machine."""

import importlib.util
import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from unmask_client.command.analyze import NotInstalled
from unmask_client.command.output import Output, errors_reported


def serve(
    host: Annotated[
        str | None,
        typer.Option(help="Address to listen on.", show_default="UNMASK_HOST, or 127.0.0.1"),
    ] = None,
    port: Annotated[
        int | None,
        typer.Option(min=1, max=65535, help="Port.", show_default="UNMASK_PORT, or 8000"),
    ] = None,
    data_dir: Annotated[
        Path | None,
        typer.Option(
            file_okay=False,
            help="Where videos and results are kept.",
            show_default="UNMASK_DATA_DIR, or .data",
        ),
    ] = None,
) -> None:
    """Run the whole of Unmask here until Ctrl-C: gateway, workers and queue, without Docker.

    Run it where models/default is, or set UNMASK_MODEL_DIR. The web page is at
    http://127.0.0.1:8000 once it says that it is ready.

    Example: unmask serve --port 9000 --data-dir ~/unmask
    """
    with errors_reported(Output(as_json=False)):
        if importlib.util.find_spec("unmask_standalone") is None:
            raise NotInstalled("`unmask serve` needs unmask-standalone.", extra="serve")
    command = [sys.executable, "-m", "unmask_standalone", "serve"]
    for name, value in {"--host": host, "--port": port, "--data-dir": data_dir}.items():
        if value is not None:
            command += [name, str(value)]
    # It takes the place of this process, so that signals and the exit status are its own.
    os.execv(sys.executable, command)  # noqa: S606 - our own program
