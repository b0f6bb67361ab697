"""Playing videos without sending a key: a gateway that asks for keys, a real Valkey, a folder."""

import time
from collections.abc import Iterator

import httpx
import pytest
import redis
from gateway_process import GatewayProcess, running_gateway
from real_services import ValkeyServer

from unmask_gateway.access.key_store import KeyStore
from unmask_gateway.access.keys import Scope, sha256_of
from unmask_shared.job_store import Grant, RedisJobStore
from unmask_shared.object_store import LocalObjectStore

VIDEO = b"\0\0\0\x20ftypisom\0\0\2\0isomiso2avc1mp41" + bytes(range(256)) * 100


@pytest.fixture(scope="module")
def gateway(
    tmp_path_factory: pytest.TempPathFactory, valkey: ValkeyServer
) -> Iterator[GatewayProcess]:
    folder = tmp_path_factory.mktemp("gateway")
    with running_gateway(
        folder, redis_url=valkey.url, access="keys", shutdown_grace_s=1
    ) as process:
        yield process


@pytest.fixture(scope="module")
def keys(gateway: GatewayProcess) -> KeyStore:
    return KeyStore(LocalObjectStore(gateway.data_dir / "store"))


def client_with(gateway: GatewayProcess, keys: KeyStore, *scopes: Scope) -> httpx.Client:
    _, key = keys.create("test", frozenset(scopes))
    headers = {"Authorization": f"Bearer {key}"}
    return httpx.Client(base_url=gateway.url, headers=headers, trust_env=False, timeout=20)


@pytest.fixture
def ours(gateway: GatewayProcess, keys: KeyStore, redis_url: str) -> Iterator[httpx.Client]:
    with client_with(gateway, keys, Scope.READ, Scope.SUBMIT) as client:
        yield client


@pytest.fixture
def player(gateway: GatewayProcess) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=gateway.url, trust_env=False, timeout=20) as client:
        yield client


def submitted(client: httpx.Client) -> str:
    answer = client.post("/videos", files={"file": ("clip.mp4", VIDEO, "video/mp4")})
    assert answer.status_code == 202, answer.text
    return f"/videos/{answer.json()['id']}"


def address_of(client: httpx.Client, video: str) -> str:
    answer = client.get(f"{video}/playback")
    assert answer.status_code == 200, answer.text
    assert answer.headers["cache-control"] == "no-store"
    return str(answer.json()["url"])


def test_a_player_loads_a_video_by_ranges_without_a_key(
    ours: httpx.Client, player: httpx.Client
) -> None:
    address = address_of(ours, submitted(ours))
    whole = player.get(address)
    assert (whole.status_code, whole.content) == (200, VIDEO)
    assert whole.headers["content-type"] == "video/mp4"
    stretch = player.get(address, headers={"Range": "bytes=1000-1999"})
    assert (stretch.status_code, stretch.content) == (206, VIDEO[1000:2000])
    assert player.get(address, headers={"Range": "bytes=9999999-"}).status_code == 416


def test_an_address_is_given_to_who_may_see_the_video_only(
    ours: httpx.Client, player: httpx.Client, gateway: GatewayProcess, keys: KeyStore
) -> None:
    video = submitted(ours)
    assert player.get(f"{video}/playback").status_code == 401
    with client_with(gateway, keys, Scope.READ) as theirs:
        assert theirs.get(f"{video}/playback").json()["code"] == "video_not_found"
    with client_with(gateway, keys, Scope.SUBMIT) as sender:
        assert sender.get(f"{video}/playback").json()["code"] == "missing_scope"
    with client_with(gateway, keys, Scope.ADMIN) as admin:
        assert player.get(address_of(admin, video)).status_code == 200


def test_an_address_opens_one_video_and_nothing_else(
    ours: httpx.Client, player: httpx.Client
) -> None:
    video, other = submitted(ours), submitted(ours)
    token = address_of(ours, video).partition("token=")[2]
    for path in (other, f"{other}/source", f"{video}/source", video, "/videos"):
        assert player.get(path, params={"token": token}).status_code == 401
        with_token = player.get(path, headers={"Authorization": f"Bearer {token}"})
        assert with_token.status_code == 401
    for method in ("POST", "PUT", "DELETE"):
        assert player.request(method, f"/playback?token={token}").status_code == 405


def test_an_address_ends_with_its_hour_its_key_or_its_video(
    ours: httpx.Client, player: httpx.Client, keys: KeyStore, redis_url: str
) -> None:
    video = submitted(ours)
    addresses = [address_of(ours, video) for _ in range(3)]
    with redis.Redis.from_url(redis_url) as client:
        names = list(client.scan_iter("unmask:playback:*"))
        assert len(names) == 3
        for name in names:
            assert 3500 < client.ttl(name) <= 3600
        token = addresses[0].partition("token=")[2]
        assert token.encode() not in b"".join(names)  # who reads Redis plays nothing
        client.delete(f"unmask:playback:{sha256_of(token)}")
    expired = player.get(addresses[0])
    assert (expired.status_code, expired.json()["code"]) == (404, "playback_not_found")
    assert token not in expired.text

    assert player.get(addresses[1]).status_code == 200
    keys.revoke(ours.headers["Authorization"].split("_")[1])
    deadline = time.monotonic() + 15
    while player.get(addresses[1]).status_code == 200:
        assert time.monotonic() < deadline
        time.sleep(0.2)
    assert player.get(addresses[1]).json()["code"] == "playback_not_found"


def test_an_erased_video_is_played_no_more(ours: httpx.Client, player: httpx.Client) -> None:
    video = submitted(ours)
    address = address_of(ours, video)
    assert ours.delete(video).status_code == 204
    assert player.get(address).json()["code"] == "video_not_found"


def test_addresses_of_a_time_without_keys_open_nothing_once_keys_are_asked_for(
    ours: httpx.Client, player: httpx.Client, job_store: RedisJobStore
) -> None:
    token = "A" * 43
    grant = Grant(video_id=submitted(ours).removeprefix("/videos/"), key_id=None)
    job_store.playbacks.note(sha256_of(token), grant, 60)
    assert player.get(f"/playback?token={token}").json()["code"] == "playback_not_found"


@pytest.mark.parametrize("token", ["", "A" * 42, "A" * 44, "../x", "A" * 42 + "\n"])
def test_what_can_be_no_token_is_refused_and_not_repeated(
    player: httpx.Client, token: str, redis_url: str
) -> None:
    answer = player.get("/playback", params={"token": token})
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")
    assert len(token) < 10 or token not in answer.text
