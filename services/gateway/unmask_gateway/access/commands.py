"""`keys create`, `keys list`, `keys revoke`: managing API keys from a shell on the server.

They need the object store and nothing else, so the first key can be made before the gateway runs.
"""

import argparse
import sys

from pydantic import ValidationError

from unmask_gateway.access.key_store import CACHE_S, KeyStore
from unmask_gateway.access.keys import Scope, parse_key_id
from unmask_shared.errors import DamagedDocument, InvalidRequest


def add_key_commands(parser: argparse.ArgumentParser) -> None:
    """Add the commands.

    The parsed arguments have the chosen one as `run`, which takes a `KeyStore` and the arguments.
    """
    commands = parser.add_subparsers(dest="action", required=True)
    create = commands.add_parser("create", help="make a key and print it, this once")
    create.add_argument("--name", required=True, help="what it is for, in words")
    create.add_argument(
        "--scope",
        action="append",
        required=True,
        choices=[scope.value for scope in Scope],
        help="what it allows; may be repeated",
    )
    create.set_defaults(run=_create)
    listing = commands.add_parser("list", help="list all keys, also revoked ones")
    listing.set_defaults(run=_list)
    revoke = commands.add_parser(
        "revoke", help=f"end a key; gateways take it for {CACHE_S:g} more seconds at most"
    )
    revoke.add_argument("id", help="its id, as `list` shows it")
    revoke.set_defaults(run=_revoke)


def _create(keys: KeyStore, options: argparse.Namespace) -> None:
    try:
        key, presented = keys.create(options.name, frozenset(map(Scope, options.scope)))
    except ValidationError as error:
        raise InvalidRequest(f"--name {options.name!r}: {error.errors()[0]['msg']}.") from error
    # Only the key goes to standard output, so that scripts can keep it.
    sys.stderr.write(f"The key {key.id} ({key.name}), which cannot be shown again:\n")
    sys.stdout.write(f"{presented}\n")


def _list(keys: KeyStore, _: argparse.Namespace) -> None:
    found = keys.all()
    for key in found.keys:
        state = f"revoked {key.revoked_at:%Y-%m-%d}" if key.revoked_at else "valid"
        scopes = ",".join(sorted(key.scopes))
        sys.stdout.write(f"{key.id}  {key.created_at:%Y-%m-%d}  {state}  {scopes}  {key.name}\n")
    if found.damaged:
        raise DamagedDocument(f"In keys/, these cannot be read: {', '.join(found.damaged)}.")


def _revoke(keys: KeyStore, options: argparse.Namespace) -> None:
    key = keys.revoke(parse_key_id(options.id))
    sys.stderr.write(f"The key {key.id} ({key.name}) is revoked.\n")
