"""`unmask keys`: who may call a server."""

from collections.abc import Iterable
from enum import StrEnum
from typing import Annotated

import typer
from rich.table import Table
from rich.text import Text

from unmask_client.admin_models import ApiKey
from unmask_client.client import Client
from unmask_client.command.arguments import AsJson, Url
from unmask_client.command.output import Output, errors_reported
from unmask_client.errors import UnmaskClientError


class Scope(StrEnum):
    """What a key allows."""

    SUBMIT = "submit"
    READ = "read"
    METRICS = "metrics"
    ADMIN = "admin"


class DamagedKeys(UnmaskClientError):
    """The server has documents that should be keys and are not."""

    code = "damaged_document"
    title = "Some keys are damaged"
    action = "Ask the operator to run `python -m unmask_gateway fsck`, which says what is wrong."


def create(
    name: Annotated[str, typer.Option(help="What the key is for, in words.")],
    scopes: Annotated[
        list[Scope] | None,
        typer.Option(
            "--scope",
            help="`submit` sends, cancels and deletes videos, `read` sees them, `metrics` reads "
            "`/metrics` and nothing else, `admin` does everything; may be repeated.",
            show_default="submit and read",
        ),
    ] = None,
    url: Url = None,
    as_json: AsJson = False,
) -> None:
    """Make a key, and print it, this once; needs a key with the scope `admin`.

    Example: export UNMASK_API_KEY=$(unmask keys create --name newsroom)
    """
    output = Output(as_json=as_json)
    with errors_reported(output), Client(url) as client:
        key = client.create_key(name, scopes or (Scope.SUBMIT, Scope.READ))
        # Nothing but the key, so that it can be assigned to a variable.
        output.show(key.model_dump(mode="json"), Text(key.key))
        output.note(f"Key {key.id} may {' and '.join(key.scopes)}. It is not shown again.")


def list_keys(url: Url = None, as_json: AsJson = False) -> None:
    """List all keys, also those that were revoked; the keys themselves are told to nobody."""
    output = Output(as_json=as_json)
    with errors_reported(output), Client(url) as client:
        found = client.api_key_list()
    if as_json:
        for key in found.keys:
            output.show(key.model_dump(mode="json"), "")
    else:
        output.print(_table(found.keys))
    if found.damaged:
        with errors_reported(output):
            raise DamagedKeys(f"{', '.join(found.damaged)} cannot be read")


def _table(keys: Iterable[ApiKey]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim")
    for title in ("id", "name", "scopes", "made (UTC)", "revoked (UTC)"):
        table.add_column(title)
    for key in keys:
        revoked = key.revoked_at.strftime("%Y-%m-%d %H:%M") if key.revoked_at else ""
        made = key.created_at.strftime("%Y-%m-%d %H:%M")
        table.add_row(key.id, Text(key.name), ", ".join(key.scopes), made, revoked)
    return table


def revoke(
    key_id: Annotated[str, typer.Argument(metavar="KEY_ID", help="As `unmask keys list` shows.")],
    url: Url = None,
    as_json: AsJson = False,
) -> None:
    """End a key; servers take it for some seconds more. Its videos stay."""
    output = Output(as_json=as_json)
    with errors_reported(output), Client(url) as client:
        client.revoke_key(key_id)
        output.show({"id": key_id, "revoked": True}, f"{key_id} is revoked")


def make_keys_app() -> typer.Typer:
    """Put the commands together."""
    app = typer.Typer(no_args_is_help=True, help="Make, list and end the API keys of a server.")
    app.command("create")(create)
    app.command("list")(list_keys)
    app.command("revoke")(revoke)
    return app
