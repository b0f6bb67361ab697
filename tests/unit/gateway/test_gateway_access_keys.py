import hashlib
import os
import subprocess
import sys
from pathlib import Path

import pytest
from pydantic import ValidationError

from unmask_gateway.access.errors import ApiKeyNotFound, MalformedApiKeyId
from unmask_gateway.access.key_store import CACHE_S, KeyStore, StoredKeys
from unmask_gateway.access.keys import PresentedKey, Scope, make_key, parse_key_id
from unmask_shared.access_policy import AccessPolicy, OpenAccessRefused, is_loopback
from unmask_shared.errors import DamagedDocument
from unmask_shared.object_store import LocalObjectStore

BOTH = frozenset({Scope.READ, Scope.SUBMIT})


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def store(tmp_path: Path) -> LocalObjectStore:
    return LocalObjectStore(tmp_path / "store")


def test_a_key_reads_back_as_what_was_given_away() -> None:
    key, presented = make_key("newsroom", BOTH)
    assert PresentedKey.parse(str(presented)) == presented
    assert presented.id == key.id
    assert len(bytes.fromhex(presented.secret)) == 32
    assert key.is_opened_by(presented.secret)
    assert not key.is_opened_by(make_key("newsroom", BOTH)[1].secret)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "unmask_",
        "unmask_0123456789abcdef",
        f"unmask_0123456789abcdef_{'g' * 64}",
        f"unmask_0123456789abcdef_{'0' * 64}\n",
        f"Unmask_0123456789abcdef_{'0' * 64}",
        f"unmask_../../../../etc_{'0' * 64}",
        f"unmask_0123456789abcdef_{'0' * 63}\u0660",
    ],
)
def test_what_can_never_be_a_key_is_told_without_looking(text: str) -> None:
    assert PresentedKey.parse(text) is None


def test_nothing_that_is_stored_opens_anything(store: LocalObjectStore) -> None:
    _, presented = KeyStore(store).create("newsroom", BOTH)
    [name] = store.keys("")
    assert name == f"keys/{presented.id}.json"
    content = store.get(name).decode()
    assert presented.secret not in content
    assert hashlib.sha256(presented.secret.encode()).hexdigest() in content


def test_a_key_that_was_made_elsewhere_is_found(store: LocalObjectStore) -> None:
    made, _ = KeyStore(store).create("newsroom", BOTH)
    assert KeyStore(store).find(made.id) == made


def test_a_key_that_was_revoked_elsewhere_works_for_seconds_only(store: LocalObjectStore) -> None:
    clock = Clock()
    here, elsewhere = KeyStore(store, clock=clock), KeyStore(store)
    made, presented = here.create("newsroom", BOTH)
    assert here.find(made.id) == made
    elsewhere.revoke(made.id)
    clock.now += CACHE_S + 0.01
    found = here.find(made.id)
    assert found is not None
    assert not found.is_opened_by(presented.secret)
    assert CACHE_S <= 10


def test_a_key_that_was_revoked_here_ends_at_once(store: LocalObjectStore) -> None:
    keys = KeyStore(store)
    made, presented = keys.create("newsroom", BOTH)
    keys.find(made.id)
    keys.revoke(made.id)
    found = keys.find(made.id)
    assert found is not None
    assert not found.is_opened_by(presented.secret)


def test_what_was_asked_for_lately_is_not_read_again(store: LocalObjectStore) -> None:
    clock = Clock()
    keys = KeyStore(store, clock=clock)
    made, _ = keys.create("newsroom", BOTH)
    assert keys.find(made.id) == made
    assert keys.find("0" * 16) is None
    store.delete_prefix("keys/")
    store.put(f"keys/{'0' * 16}.json", b"not read", content_type="application/json")
    assert keys.find(made.id) == made
    assert keys.find("0" * 16) is None
    clock.now += CACHE_S + 0.01
    assert keys.find(made.id) is None
    with pytest.raises(DamagedDocument):
        keys.find("0" * 16)


def test_a_revoked_key_is_listed_and_its_first_end_counts(store: LocalObjectStore) -> None:
    keys = KeyStore(store)
    first, _ = keys.create("first", BOTH)
    second, _ = keys.create("second", frozenset({Scope.ADMIN}))
    ended = keys.revoke(first.id)
    assert keys.revoke(first.id) == ended
    assert keys.all() == StoredKeys(keys=(second, ended), damaged=())


def test_a_key_document_under_another_name_is_damage(store: LocalObjectStore) -> None:
    made, _ = KeyStore(store).create("newsroom", BOTH)
    copy = store.get(f"keys/{made.id}.json")
    store.put(f"keys/{'0' * 16}.json", copy, content_type="application/json")
    with pytest.raises(DamagedDocument, match=made.id):
        KeyStore(store).find("0" * 16)


def test_damaged_documents_hide_no_keys(store: LocalObjectStore) -> None:
    keys = KeyStore(store)
    made, _ = keys.create("newsroom", BOTH)
    other, _ = keys.create("desk", BOTH)
    store.put(f"keys/{other.id}.json", b'{"id": ', content_type="application/json")
    copy = store.get(f"keys/{made.id}.json")
    store.put(f"keys/{'0' * 16}.json", copy, content_type="application/json")
    damaged = sorted([f"{'0' * 16}.json", f"{other.id}.json"])
    assert keys.all() == StoredKeys(keys=(made,), damaged=tuple(damaged))


def test_a_key_that_is_not_there_cannot_be_revoked(store: LocalObjectStore) -> None:
    with pytest.raises(ApiKeyNotFound, match="0000000000000000"):
        KeyStore(store).revoke("0" * 16)


@pytest.mark.parametrize("text", ["", "../x", "0" * 15, "0" * 16 + "\n", "A" * 16])
def test_paths_that_are_no_ids_are_refused(text: str) -> None:
    with pytest.raises(MalformedApiKeyId):
        parse_key_id(text)


@pytest.mark.parametrize("name", ["", "x" * 101, "two\nlines", "bell\x07"])
def test_names_that_cannot_be_shown_are_refused(name: str) -> None:
    with pytest.raises(ValidationError):
        make_key(name, BOTH)


def gateway_command(
    *arguments: str, folder: Path, **settings: str
) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "unmask_gateway", *arguments],
        check=False,
        cwd=folder,
        env=os.environ | {"UNMASK_DATA_DIR": str(folder)} | settings,
        capture_output=True,
        text=True,
        timeout=120,
    )


def test_keys_are_made_listed_and_revoked_by_command(tmp_path: Path) -> None:
    scopes = ("--scope", "read", "--scope", "submit")
    made = gateway_command("keys", "create", "--name", "desk", *scopes, folder=tmp_path)
    assert made.returncode == 0, made.stderr
    presented = PresentedKey.parse(made.stdout.strip())
    assert presented is not None
    key = KeyStore(LocalObjectStore(tmp_path / "store")).find(presented.id)
    assert key is not None
    assert key.is_opened_by(presented.secret)
    assert (key.name, key.scopes) == ("desk", BOTH)

    assert gateway_command("keys", "revoke", key.id, folder=tmp_path).returncode == 0
    listed = gateway_command("keys", "list", folder=tmp_path).stdout
    assert key.id in listed
    assert "revoked" in listed
    assert presented.secret not in listed
    missing = gateway_command("keys", "revoke", "0" * 16, folder=tmp_path)
    assert missing.returncode == 1
    assert "0" * 16 in missing.stderr

    (tmp_path / "store" / "objects" / "keys" / f"{'0' * 16}.json").write_text("{")
    with_damage = gateway_command("keys", "list", folder=tmp_path)
    assert with_damage.returncode == 1
    assert with_damage.stdout == listed
    assert f"{'0' * 16}.json" in with_damage.stderr


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.8.8", "::1", "localhost"])
def test_this_machine_needs_no_key(host: str) -> None:
    AccessPolicy().check_address(host)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.4", "gateway.example", ""])
def test_other_machines_need_a_key_or_an_explicit_word(
    host: str, caplog: pytest.LogCaptureFixture
) -> None:
    assert not is_loopback(host)
    with pytest.raises(OpenAccessRefused, match="UNMASK_ACCESS"):
        AccessPolicy().check_address(host)
    AccessPolicy(access="keys").check_address(host)
    assert not caplog.records
    AccessPolicy(allow_open_access=True).check_address(host)
    assert "no key is asked for" in caplog.text


def test_the_gateway_does_not_start_open_to_strangers(tmp_path: Path) -> None:
    refused = gateway_command(folder=tmp_path, UNMASK_HOST="0.0.0.0")
    assert refused.returncode == 1
    assert "UNMASK_ACCESS=keys" in refused.stderr
