"""Documents and cards from the store: damaged in any way, they are read or named as damaged."""

import json
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel
from sample_documents import FAILURE, record_of, result_of

from unmask_gateway.access.keys import ApiKey, make_key
from unmask_shared.artifacts import FacesManifest
from unmask_shared.errors import DamagedDocument, InvalidCheckpoint, InvalidModelRef
from unmask_shared.model.checkpoint import parse_card
from unmask_shared.model_versions import ActiveModel, VersionManifest, version_key
from unmask_shared.object_store import LocalObjectStore
from unmask_shared.records import read_document
from unmask_shared.videos import Failure, VideoRecord, VideoResult

CARD = (Path(__file__).parents[3] / "models" / "default" / "card.json").read_bytes()
ID = "01890a5d-ac96-774b-bcce-b302099a8057"
KINDS: tuple[type[BaseModel], ...] = (
    VideoRecord,
    VideoResult,
    Failure,
    FacesManifest,
    VersionManifest,
    ActiveModel,
    ApiKey,
)
KEY, _ = make_key("test", frozenset({"read"}))  # type: ignore[arg-type]
INTACT: tuple[bytes, ...] = tuple(
    document.model_dump_json().encode() for document in (record_of(ID), result_of(ID), FAILURE, KEY)
)
NASTY = (
    b"",
    b"{",
    b"null",
    b"[" * 200_000,
    b'{"a":' * 100_000,
    b"9" * 1_000_000,
    b'{"id":"\\ud800"}',
    b'"' + b"a" * 1_000_000 + b'"',
    b"{" + b",".join(b'"%d":1' % number for number in range(20_000)) + b"}",
    b'{"' + b"a" * 1_000_000 + b'": 1}',
)


@pytest.fixture(scope="module")
def store() -> Iterator[LocalObjectStore]:
    with TemporaryDirectory() as folder:
        yield LocalObjectStore(Path(folder))


def read(store: LocalObjectStore, content: bytes, kind: type[BaseModel]) -> None:
    store.put("document", content, content_type="application/json")
    started_at = time.monotonic()
    failure: DamagedDocument | None = None
    try:
        assert isinstance(read_document(store, "document", kind), kind)
    except DamagedDocument as error:
        failure = error
    assert failure is None or len(failure.detail) < 1000
    assert time.monotonic() - started_at < 5.0


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_nothing_is_read_as_a_document_that_it_is_not(
    store: LocalObjectStore, kind: type[BaseModel]
) -> None:
    for content in (*NASTY, *INTACT, CARD):
        read(store, content, kind)


Cuts = list[tuple[int, int, bytes]]


def changed(intact: bytes, cuts: Cuts) -> bytes:
    data = bytearray(intact)
    for at, length, new in cuts:
        start = at % (len(data) + 1)
        data[start : start + length] = new
    return bytes(data)


changes = st.lists(
    st.tuples(st.integers(0), st.integers(0, 30), st.binary(max_size=8)), min_size=1, max_size=4
)


@settings(max_examples=50)
@given(intact=st.sampled_from(INTACT), kind=st.sampled_from(KINDS), cuts=changes)
def test_damage_is_named(
    store: LocalObjectStore,
    intact: bytes,
    kind: type[BaseModel],
    cuts: Cuts,
) -> None:
    read(store, changed(intact, cuts), kind)


def card_is_read_or_refused(text: bytes) -> None:
    started_at = time.monotonic()
    detail = ""
    try:
        card = parse_card(text, origin="card.json")
    except InvalidCheckpoint as error:
        detail = error.detail
    else:
        assert card.architecture.lstm_hidden * card.architecture.lstm_layers <= 2048 * 4
        assert card.input_size <= 512
        assert card.clip_length <= 256
        with suppress(InvalidModelRef):
            key = version_key(card.name, card.version, "card.json")
            assert key.split("/") == ["models", card.name, card.version, "card.json"]
            assert ".." not in key.split("/")
    assert len(detail) < 5000
    assert time.monotonic() - started_at < 5.0


@settings(max_examples=50)
@given(cuts=changes)
def test_damaged_cards_are_named(cuts: Cuts) -> None:
    card_is_read_or_refused(changed(CARD, cuts))


@pytest.mark.parametrize("text", NASTY, ids=lambda text: f"{len(text)} bytes")
def test_what_is_no_card_is_named(text: bytes) -> None:
    card_is_read_or_refused(text)


@pytest.mark.parametrize(
    "changes",
    [
        {"architecture": {"trunk": "resnet18", "lstm_hidden": 10**9}},
        {"architecture": {"trunk": "resnet18", "lstm_layers": 10**9}},
        {"architecture": {"trunk": "../../evil", "lstm_hidden": 8}},
        {"architecture": {"trunk": "resnet18", "lstm_hidden": 1e400}},
        {"input_size": 10**9},
        {"clip_length": 10**9},
        {"temperature": 1e300},
        {"temperature": 0},
        {"crop_margin": 1e308 * 10},
        {"std": [0, 0, 0]},
        {"mean": [float("nan")] * 3},
        {"name": "../../keys"},
        {"name": ".."},
        {"name": "a/b"},
        {"version": "../1"},
        {"version": "1\n"},
        {"version": "1/../../x"},
        {"weights_sha256": "../weights"},
        {"__class__": "os.system"},
    ],
    ids=str,
)
def test_cards_with_huge_numbers_or_paths_are_refused(changes: dict[str, object]) -> None:
    card = json.loads(CARD) | changes
    with pytest.raises(InvalidCheckpoint):
        parse_card(json.dumps(card).encode(), origin="card.json")


@pytest.mark.parametrize(
    "part", ["..", ".", "", "a/b", "a\0", "a\n", "A" * 200, "active.json", "%2e"]
)
def test_no_name_leads_out_of_the_registry(part: str) -> None:
    with pytest.raises(InvalidModelRef):
        version_key(part, "1", "card.json")
    if part not in {"active.json", "A" * 200}:
        with pytest.raises(InvalidModelRef):
            version_key("a", part, "card.json")
