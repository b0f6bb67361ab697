"""The `unmask` command."""

from importlib.metadata import version
from typing import Annotated

import typer

from unmask_client.command.analyze import analyze
from unmask_client.command.batches import make_batches_app
from unmask_client.command.completion import completion
from unmask_client.command.keys import make_keys_app
from unmask_client.command.models import make_models_app
from unmask_client.command.serve import serve
from unmask_client.command.submit import submit
from unmask_client.command.videos import cancel, delete, list_videos, report, status, watch

_HELP = """Tell whether faces in videos were forged.

`unmask analyze` judges files on this machine. All others but `serve` and `completion` talk to a
server, whose address is UNMASK_URL (or --url) and whose key, if it wants one, is UNMASK_API_KEY.

A verdict is a statistical hint, never a proof.
"""


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"unmask {version('unmask-client')}")
        raise typer.Exit


def _root(
    _: Annotated[
        bool,
        typer.Option(
            "--version", callback=_show_version, is_eager=True, help="Print the version and exit."
        ),
    ] = False,
) -> None:
    pass


def make_app() -> typer.Typer:
    """Put the commands together."""
    app = typer.Typer(
        name="unmask",
        help=_HELP,
        no_args_is_help=True,
        rich_markup_mode="markdown",
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.callback()(_root)
    app.command()(analyze)
    app.command()(submit)
    app.command()(status)
    app.command()(watch)
    app.command("list")(list_videos)
    app.command()(report)
    app.command()(cancel)
    app.command()(delete)
    app.add_typer(make_batches_app(), name="batches")
    app.add_typer(make_models_app(), name="models")
    app.add_typer(make_keys_app(), name="keys")
    app.command()(serve)
    app.command()(completion)
    return app


def main() -> None:
    """Run the command that the arguments name."""
    make_app()()
