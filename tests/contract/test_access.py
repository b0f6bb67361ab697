"""Who may do what over HTTP: a gateway that asks for keys, a real Valkey, a folder as store."""

import re
import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from gateway_process import GatewayProcess, running_gateway
from real_services import ValkeyServer

from unmask_gateway.access.key_store import KeyStore
from unmask_gateway.access.keys import Scope
from unmask_shared.artifacts import heatmap_key, landmarks_key, record_key, thumbnail_key
from unmask_shared.object_store import LocalObjectStore
from unmask_shared.videos import VideoRecord

ADMIN_KEY = "0123456789abcdef" * 3
VIDEO = b"\0\0\0\x20ftypisom\0\0\2\0isomiso2avc1mp41" + bytes(range(256)) * 100
UNKNOWN_ID = "01890a5d-ac96-774b-bcce-b302099a8057"
# What a browser or an orchestrator asks for before it has a key, and a player that can send none.
PUBLIC = {"/healthz", "/readyz", "/playback"}


@pytest.fixture(scope="module")
def gateway(
    tmp_path_factory: pytest.TempPathFactory, valkey: ValkeyServer
) -> Iterator[GatewayProcess]:
    with running_gateway(
        tmp_path_factory.mktemp("gateway"),
        redis_url=valkey.url,
        access="keys",
        admin_key=ADMIN_KEY,
        shutdown_grace_s=1,
    ) as process:
        yield process


@pytest.fixture(scope="module")
def keys(gateway: GatewayProcess) -> KeyStore:
    return KeyStore(LocalObjectStore(gateway.data_dir / "store"))


def bearer(gateway: GatewayProcess, key: str | None) -> httpx.Client:
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    return httpx.Client(base_url=gateway.url, headers=headers, trust_env=False, timeout=20)


def client_with(gateway: GatewayProcess, keys: KeyStore, *scopes: Scope) -> httpx.Client:
    _, presented = keys.create("test", frozenset(scopes))
    return bearer(gateway, str(presented))


@pytest.fixture
def admin(gateway: GatewayProcess, redis_url: str) -> Iterator[httpx.Client]:
    with bearer(gateway, ADMIN_KEY) as client:
        yield client


@pytest.fixture
def ours(gateway: GatewayProcess, keys: KeyStore, redis_url: str) -> Iterator[httpx.Client]:
    with client_with(gateway, keys, Scope.READ, Scope.SUBMIT) as client:
        yield client


@pytest.fixture
def theirs(gateway: GatewayProcess, keys: KeyStore, redis_url: str) -> Iterator[httpx.Client]:
    with client_with(gateway, keys, Scope.READ, Scope.SUBMIT) as client:
        yield client


@pytest.fixture
def nobody(gateway: GatewayProcess, redis_url: str) -> Iterator[httpx.Client]:
    with bearer(gateway, None) as client:
        yield client


def submit(client: httpx.Client) -> httpx.Response:
    return client.post("/videos", files={"file": ("clip.mp4", VIDEO, "video/mp4")})


def submitted_id(client: httpx.Client) -> str:
    response = submit(client)
    assert response.status_code == 202, response.text
    return str(response.json()["id"])


def operations(description: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, methods in description["paths"].items():
        for method, operation in methods.items():
            yield method.upper(), path, operation


def concrete(path: str, video_id: str = UNKNOWN_ID) -> str:
    """A path of this template, about this video."""
    path = path.replace("{video_id}", video_id)
    return re.sub(r"\{\w+\}", "0", path)


def test_only_health_the_page_and_players_need_no_key(nobody: httpx.Client) -> None:
    for path in ("/", "/static/app.js", "/openapi.json", "/healthz", "/readyz"):
        assert nobody.get(path).status_code in {200, 503}
    asked = 0
    for method, path, operation in operations(nobody.get("/openapi.json").json()):
        if path in PUBLIC:
            assert "security" not in operation
            continue
        response = nobody.request(method, concrete(path))
        assert response.status_code == 401, f"{method} {path}"
        if method != "HEAD":  # which has no body
            assert response.json()["code"] == "api_key_required"
        assert response.headers["www-authenticate"] == "Bearer"
        assert operation["security"] == [{"api_key": []}]
        examples = operation["responses"]["401"]["content"]["application/problem+json"]["examples"]
        assert set(examples) == {"api_key_required", "invalid_api_key"}
        assert {"403", "503"} <= operation["responses"].keys()
        asked += 1
    assert asked >= 8


@pytest.mark.parametrize(
    "key",
    [
        "x",
        "unmask_0123456789abcdef_",
        f"unmask_0123456789abcdef_{'0' * 64}",
        ADMIN_KEY[:-1],
        f"unmask_admin_{ADMIN_KEY}",
    ],
)
def test_wrong_keys_are_refused_and_not_repeated(gateway: GatewayProcess, key: str) -> None:
    with bearer(gateway, key) as client:
        response = submit(client)
    assert response.status_code == 401
    assert response.json()["code"] == "invalid_api_key"
    assert key not in response.text or len(key) < 3


def test_other_schemes_than_bearer_are_no_key(nobody: httpx.Client) -> None:
    response = nobody.get(f"/videos/{UNKNOWN_ID}", auth=("admin", ADMIN_KEY))
    assert response.json()["code"] == "api_key_required"


def test_a_video_belongs_to_the_key_it_came_with(
    ours: httpx.Client, gateway: GatewayProcess
) -> None:
    video_id = submitted_id(ours)
    assert ours.get(f"/videos/{video_id}").status_code == 200
    store = LocalObjectStore(gateway.data_dir / "store")
    record = VideoRecord.model_validate_json(store.get(record_key(video_id)))
    assert record.owner == ours.headers["authorization"].split("_")[1]


def test_the_videos_of_others_read_as_those_that_never_were(
    ours: httpx.Client, theirs: httpx.Client, gateway: GatewayProcess
) -> None:
    video_id = submitted_id(ours)
    store = LocalObjectStore(gateway.data_dir / "store")
    for key in (
        thumbnail_key(video_id, 0),
        landmarks_key(video_id, 0),
        heatmap_key(video_id, 0, 0),
    ):
        store.put(key, b"picture", content_type="image/png")
    description = ours.get("/openapi.json").json()
    about_videos = [(m, p) for m, p, _ in operations(description) if "{video_id}" in p]
    assert len(about_videos) >= 4
    for method, path in about_videos:
        theirs_says = theirs.request(method, concrete(path, video_id))
        unknown = theirs.request(method, concrete(path))
        assert theirs_says.status_code == unknown.status_code == 404, f"{method} {path}"
        if method != "HEAD":
            assert unknown.json()["code"] == "video_not_found"
        assert theirs_says.text.replace(video_id, "ID") == unknown.text.replace(UNKNOWN_ID, "ID")
        assert theirs_says.headers.keys() == unknown.headers.keys()
    # The owner lost nothing by it.
    assert ours.get(f"/videos/{video_id}").status_code == 200
    assert ours.get(f"/videos/{video_id}/faces/0/thumbnail").content == b"picture"


@pytest.mark.parametrize("kind", ["batch", "upload"])
def test_nothing_else_of_others_exists_either(
    ours: httpx.Client, theirs: httpx.Client, kind: str
) -> None:
    made = ours.post("/batches", json={"items": [{"source_url": "http://127.0.0.1:9/"}]})
    assert made.status_code == 202, made.text
    own_id = made.json()["id"] if kind == "batch" else UNKNOWN_ID
    name = f"{{{kind}_id}}"
    description = ours.get("/openapi.json").json()
    about = [(m, p) for m, p, _ in operations(description) if name in p]
    assert len(about) >= 2
    for method, path in about:
        asked = theirs.request(method, path.replace(name, own_id))
        unknown = theirs.request(method, path.replace(name, UNKNOWN_ID))
        assert asked.status_code == unknown.status_code, f"{method} {path}"
        # Uploads are off where the store is a folder; those of others: test_direct_uploads.
        assert asked.status_code == (404 if kind == "batch" else 409)
        assert asked.text.replace(own_id, "ID") == unknown.text.replace(UNKNOWN_ID, "ID")
    assert ours.get(f"/batches/{made.json()['id']}").status_code == 200


def test_a_stream_of_events_ends_with_its_key(admin: httpx.Client, gateway: GatewayProcess) -> None:
    made = admin.post("/keys", json={"name": "desk", "scopes": ["read", "submit"]}).json()
    with bearer(gateway, made["key"]) as client:
        video_id = submitted_id(client)
        with client.stream("GET", f"/videos/{video_id}/events") as stream:
            lines = stream.iter_lines()
            assert next(lines).startswith("retry")
            assert admin.delete(f"/keys/{made['id']}").status_code == 204
            revoked_at = time.monotonic()
            rest = list(lines)  # to the end of the stream
    assert time.monotonic() - revoked_at < 12
    assert not any("final" in line or "erased" in line for line in rest)


def test_the_operator_sees_all_videos(ours: httpx.Client, admin: httpx.Client) -> None:
    video_id = submitted_id(ours)
    assert admin.get(f"/videos/{video_id}").status_code == 200


def test_a_video_of_a_time_without_keys_is_the_operators(
    ours: httpx.Client, admin: httpx.Client, gateway: GatewayProcess
) -> None:
    video_id = submitted_id(admin)
    store = LocalObjectStore(gateway.data_dir / "store")
    record = VideoRecord.model_validate_json(store.get(record_key(video_id)))
    ownerless = record.model_copy(update={"owner": None})
    store.put(
        record_key(video_id), ownerless.model_dump_json().encode(), content_type="application/json"
    )
    assert ours.get(f"/videos/{video_id}").status_code == 404
    assert admin.get(f"/videos/{video_id}").status_code == 200


@pytest.mark.parametrize(
    ("scope", "may_read", "may_submit"),
    [(Scope.READ, True, False), (Scope.SUBMIT, False, True), (Scope.ADMIN, True, True)],
)
def test_keys_allow_what_their_scope_says(
    gateway: GatewayProcess, keys: KeyStore, scope: Scope, may_read: bool, may_submit: bool
) -> None:
    with client_with(gateway, keys, scope) as client:
        sent, seen = submit(client), client.get(f"/videos/{UNKNOWN_ID}")
        managed = client.get("/keys")
    assert sent.status_code == (202 if may_submit else 403)
    assert seen.status_code == (404 if may_read else 403)
    assert managed.status_code == (200 if scope is Scope.ADMIN else 403)
    for response in (sent, seen, managed):
        if response.status_code == 403:
            assert response.json()["code"] == "missing_scope"


def test_an_id_that_is_none_is_refused_before_anything_is_looked_up(ours: httpx.Client) -> None:
    for text in ("x", "..%2F..%2Fkeys", UNKNOWN_ID.upper()):
        response = ours.get(f"/videos/{text}")
        assert response.json()["code"] in {"malformed_video_id", "route_not_found"}


def test_keys_are_made_and_revoked_over_http(admin: httpx.Client, gateway: GatewayProcess) -> None:
    made = admin.post("/keys", json={"name": "desk", "scopes": ["read", "submit"]})
    assert made.status_code == 201, made.text
    assert made.headers["cache-control"] == "no-store"
    key_id, key = made.json()["id"], made.json()["key"]
    listed = {entry["id"]: entry for entry in admin.get("/keys").json()["keys"]}
    assert listed[key_id] == {n: v for n, v in made.json().items() if n != "key"}
    with bearer(gateway, key) as client:
        video_id = submitted_id(client)
        assert admin.delete(f"/keys/{key_id}").status_code == 204
        after = client.get(f"/videos/{video_id}")
    assert (after.status_code, after.json()["code"]) == (401, "invalid_api_key")
    listed = {entry["id"]: entry for entry in admin.get("/keys").json()["keys"]}
    assert listed[key_id]["revoked_at"] is not None
    assert admin.get(f"/videos/{video_id}").status_code == 200


def test_a_damaged_key_is_named_and_hides_no_others(
    admin: httpx.Client, gateway: GatewayProcess
) -> None:
    made = admin.post("/keys", json={"name": "desk", "scopes": ["read"]}).json()
    document = gateway.data_dir / "store" / "objects" / "keys" / f"{'d' * 16}.json"
    document.write_text('{"name": "half a document"')
    answer = admin.get("/keys")
    document.unlink()
    assert answer.status_code == 200, answer.text
    assert answer.json()["damaged"] == [f"{'d' * 16}.json"]
    assert made["id"] in {entry["id"] for entry in answer.json()["keys"]}
    assert admin.get("/keys").json()["damaged"] == []


@pytest.mark.parametrize(
    ("body", "part"),
    [
        ({"name": "", "scopes": ["read"]}, "name"),
        ({"name": "desk", "scopes": []}, "scopes"),
        ({"name": "desk", "scopes": ["root"]}, "scopes"),
        ({"name": "desk", "scopes": ["read"], "id": "x"}, "id"),
    ],
)
def test_keys_that_make_no_sense_are_refused(
    admin: httpx.Client, body: dict[str, Any], part: str
) -> None:
    response = admin.post("/keys", json=body)
    assert (response.status_code, response.json()["code"]) == (422, "invalid_request")
    assert part in response.json()["detail"]


def test_unknown_keys_cannot_be_revoked(admin: httpx.Client) -> None:
    assert admin.delete(f"/keys/{'0' * 16}").json()["code"] == "api_key_not_found"
    assert admin.delete("/keys/admin").json()["code"] == "malformed_api_key_id"


def test_no_keys_are_made_over_http_where_anybody_could(
    tmp_path_factory: pytest.TempPathFactory, valkey: ValkeyServer
) -> None:
    process = GatewayProcess(tmp_path_factory.mktemp("open"), redis_url=valkey.url)
    process.run()
    try:
        with bearer(process, None) as client:
            made = client.post("/keys", json={"name": "later", "scopes": ["admin"]})
            sent = submit(client)
            description = client.get("/openapi.json").json()
    finally:
        process.kill()
    assert (made.status_code, made.json()["code"]) == (409, "access_is_open")
    assert sent.status_code == 202
    assert {} in description["paths"]["/videos"]["post"]["security"]


def test_the_page_asks_for_a_key_where_one_is_needed(nobody: httpx.Client) -> None:
    page = nobody.get("/").text
    assert '<meta name="asks-for-key" content="true">' in page
    # The field never leaves the page: the form has no address and the script keeps it in the tab.
    form = re.search(r'<form id="key-form".*?</form>', page, re.DOTALL)
    assert form
    assert 'type="password"' in form[0]
    assert "action=" not in form[0]
    script = nobody.get("/static/key.js").text
    assert "sessionStorage" in script
    assert "localStorage" not in script
