"""Messages about the end of videos: a real receiver, a real Valkey, the standard's own check."""

import base64
import json
import signal
import time
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from http.server import BaseHTTPRequestHandler

import httpx
import pytest
from file_server import FileServer, Received, file_server, redirects, sends
from gateway_process import GatewayProcess, running_gateway
from pydantic import SecretStr, ValidationError
from sample_documents import record_of
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from unmask_gateway.lookup import VideoLookup
from unmask_gateway.outbound.client import OutboundClient
from unmask_gateway.webhooks import dispatcher as dispatching
from unmask_gateway.webhooks.dispatcher import WebhookDispatcher
from unmask_gateway.webhooks.documents import Delivery, DeliveryStatus
from unmask_gateway.webhooks.settings import WebhookSettings, key_of
from unmask_gateway.webhooks.targets import WebhookTargets
from unmask_shared.artifacts import record_key, webhook_key, webhook_log_key
from unmask_shared.errors import NoVideoStream, SourceUrlRefused, WebhooksOff
from unmask_shared.job_store import RedisJobStore
from unmask_shared.object_store import LocalObjectStore
from unmask_shared.records import read_document, write_document
from unmask_shared.videos import Failure, Status

SECRET = "whsec_" + base64.b64encode(bytes(range(32))).decode()
VIDEO = b"GIF89a" + bytes(range(256)) * 100
ID = "01890a5d-ac96-774b-bcce-b302099a8057"


@pytest.fixture
def receiver() -> Iterator[FileServer]:
    with file_server() as server:
        server.answers["/hook"] = sends(status=204)
        yield server


def settings_for(receiver: FileServer, **changes: object) -> WebhookSettings:
    return WebhookSettings.model_validate(
        {
            "secret": SECRET,
            "allow_private": True,
            "allowed_ports": str(receiver.port),
            "timeout_s": 1,
            **changes,
        }
    )


class Sender:
    """A dispatcher with a video that has a webhook and has just failed."""

    def __init__(
        self,
        store: LocalObjectStore,
        jobs: RedisJobStore,
        settings: WebhookSettings,
        url: str,
        *,
        retry_s: tuple[float, ...] = (0, 0),
    ) -> None:
        self.store, self.jobs = store, jobs
        self.settings, self.retry_s = settings, retry_s
        WebhookTargets(store, settings).expect(ID)
        record = record_of(ID).model_copy(update={"webhook_url": url})
        write_document(store, record_key(ID), record)
        jobs.accept(record)

    def fail(self) -> None:
        self.jobs.fail(ID, Failure.of(NoVideoStream("Only audio.")))

    def make(self) -> WebhookDispatcher:
        """A new one, as after a restart."""
        assert self.settings.secret is not None
        return WebhookDispatcher(
            store=self.store,
            jobs=self.jobs,
            lookup=VideoLookup(store=self.store, jobs=self.jobs),
            client=OutboundClient(self.settings, idle_timeout_s=self.settings.timeout_s),
            key=key_of(self.settings.secret),
            timeout_s=self.settings.timeout_s,
            retry_s=self.retry_s,
        )

    @property
    def log(self) -> Delivery:
        log = read_document(self.store, webhook_log_key(ID), Delivery)
        assert log is not None
        return log

    @property
    def is_due(self) -> bool:
        return self.store.exists(webhook_key(ID))


MakeSender = Callable[..., Sender]


@pytest.fixture
def make_sender(
    local_store: LocalObjectStore, job_store: RedisJobStore, receiver: FileServer
) -> MakeSender:
    def make(
        path: str = "/hook", *, retry_s: tuple[float, ...] = (0, 0), **changes: object
    ) -> Sender:
        settings = settings_for(receiver, **changes)
        url = receiver.url(path) if path.startswith("/") else path
        return Sender(local_store, job_store, settings, url, retry_s=retry_s)

    return make


def verify(message: Received, secret: str = SECRET) -> dict[str, object]:
    checked: dict[str, object] = Webhook(secret).verify(message.body, message.headers)
    return checked


def test_a_message_is_sent_once_the_video_has_ended_signed_as_the_standard_has_it(
    make_sender: MakeSender, receiver: FileServer
) -> None:
    sender = make_sender()
    dispatcher = sender.make()
    dispatcher.send_due()
    assert receiver.received == []
    sender.fail()
    sender.make().send_due()
    [message] = receiver.received
    assert message.method == "POST"
    assert message.headers["content-type"] == "application/json"
    event = verify(message)
    assert event["type"] == "video.failed"
    assert datetime.fromisoformat(str(event["timestamp"])).tzinfo is not None
    data = event["data"]
    assert isinstance(data, dict)
    assert (data["id"], data["status"]) == (ID, "failed")
    assert data["failure"]["code"] == "no_video_stream"
    assert message.headers["webhook-id"] == sender.log.id
    assert sender.log.status is DeliveryStatus.DELIVERED
    assert [attempt.status_code for attempt in sender.log.attempts] == [204]
    assert not sender.is_due
    sender.make().send_due()
    assert len(receiver.received) == 1


def test_messages_of_others_do_not_pass_the_check(
    make_sender: MakeSender, receiver: FileServer
) -> None:
    sender = make_sender()
    sender.fail()
    sender.make().send_due()
    [message] = receiver.received
    changed = Received(message.method, message.path, message.headers, message.body + b" ")
    other = "whsec_" + base64.b64encode(bytes(32)).decode()
    for forged, secret in ((changed, SECRET), (message, other)):
        with pytest.raises(WebhookVerificationError):
            verify(forged, secret)


def test_a_message_that_is_refused_comes_again_the_same(
    make_sender: MakeSender, receiver: FileServer
) -> None:
    sender = make_sender()
    sender.fail()
    receiver.answers["/hook"] = sends(status=503)
    sender.make().send_due()
    assert sender.log.status is DeliveryStatus.WAITING
    assert sender.is_due
    receiver.answers["/hook"] = sends(status=200)
    sender.make().send_due()  # also after a restart, without Redis having known of it
    first, second = receiver.received
    assert first.headers["webhook-id"] == second.headers["webhook-id"]
    assert first.body == second.body
    assert [attempt.status_code for attempt in sender.log.attempts] == [503, 200]
    assert sender.log.status is DeliveryStatus.DELIVERED


def test_the_pauses_are_those_of_the_schedule(make_sender: MakeSender) -> None:
    sender = make_sender("/missing", retry_s=(1000,))
    sender.fail()
    sender.make().send_due()
    log = sender.log
    assert log.next_attempt_at is not None
    pause_s = (log.next_attempt_at - log.attempts[0].at).total_seconds()
    assert 899 < pause_s < 1110
    sender.make().send_due()
    assert len(sender.log.attempts) == 1
    assert sum(dispatching.RETRY_S) > 20 * 3600
    assert list(dispatching.RETRY_S) == sorted(dispatching.RETRY_S)


def test_a_receiver_that_never_takes_it_is_given_up(make_sender: MakeSender) -> None:
    sender = make_sender("/missing", retry_s=(0, 0))
    sender.fail()
    for _ in range(5):
        sender.make().send_due()
    assert len(sender.log.attempts) == 3
    assert sender.log.status is DeliveryStatus.GIVEN_UP
    assert sender.log.next_attempt_at is None
    assert not sender.is_due


def hangs(handler: BaseHTTPRequestHandler) -> None:
    time.sleep(1)


@pytest.mark.parametrize(
    ("path", "changes", "status_code"),
    [
        ("/redirect", {}, 302),
        ("/hangs", {"timeout_s": 0.2}, None),
        ("http://127.0.0.1:9/", {"allowed_ports": "9"}, None),
        ("/hook", {"allow_private": False}, None),
        ("/hook", {"allowed_ports": "443"}, None),
    ],
    ids=["redirects", "hangs", "nobody there", "private", "port"],
)
def test_what_is_no_delivery_is_noted(
    make_sender: MakeSender,
    receiver: FileServer,
    path: str,
    changes: dict[str, object],
    status_code: int | None,
) -> None:
    receiver.answers |= {"/redirect": redirects("/hook"), "/hangs": hangs}
    sender = make_sender(path, **changes)
    sender.fail()
    sender.make().send_due()
    [attempt] = sender.log.attempts
    assert attempt.status_code == status_code
    assert attempt.error
    assert "/hook" not in receiver.asked()


def test_a_receiver_that_is_gone_is_asked_no_more(
    make_sender: MakeSender, receiver: FileServer
) -> None:
    receiver.answers["/hook"] = sends(status=410)
    sender = make_sender()
    sender.fail()
    sender.make().send_due()
    assert sender.log.status is DeliveryStatus.GIVEN_UP
    assert not sender.is_due


def test_the_message_about_a_deleted_video_is_dropped_but_not_while_it_is_accepted(
    make_sender: MakeSender, receiver: FileServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    sender = make_sender()
    sender.store.delete_prefix(f"videos/{ID}/")
    sender.jobs.forget(ID)
    sender.make().send_due()
    assert sender.is_due
    monkeypatch.setattr(dispatching, "_RECORD_PATIENCE", timedelta(seconds=-1))
    sender.make().send_due()
    assert not sender.is_due
    assert receiver.received == []


@pytest.mark.parametrize(
    "secret", ["secret", "whsec_", "whsec_!!!", "whsec_c2hvcnQ=", SECRET.replace("whsec", "other")]
)
def test_secrets_that_are_none_are_refused_at_the_start(secret: str) -> None:
    with pytest.raises(ValidationError, match="UNMASK_WEBHOOK_SECRET"):
        WebhookSettings(secret=SecretStr(secret))


def test_urls_are_checked_when_a_video_is_sent_in(local_store: LocalObjectStore) -> None:
    WebhookTargets(local_store, WebhookSettings()).check(None)
    with pytest.raises(WebhooksOff):
        WebhookTargets(local_store, WebhookSettings()).check("https://example.com/hook")
    targets = WebhookTargets(local_store, WebhookSettings(secret=SecretStr(SECRET)))
    targets.check("https://example.com/hook")
    for url in ("ftp://example.com/", "https://user@example.com/", "https://example.com:22/"):
        with pytest.raises(SourceUrlRefused):
            targets.check(url)


# --- over HTTP -------------------------------------------------------------------------------


@pytest.fixture
def gateway(
    tmp_path_factory: pytest.TempPathFactory, redis_url: str, receiver: FileServer
) -> Iterator[GatewayProcess]:
    with running_gateway(
        tmp_path_factory.mktemp("gateway"),
        redis_url=redis_url,
        webhook_secret=SECRET,
        webhook_allow_private="true",
        webhook_allowed_ports=receiver.port,
        source_url_allow_private="true",
        source_url_allowed_ports=receiver.port,
        shutdown_grace_s=1,
    ) as process:
        yield process


def test_a_message_outlives_the_gateway_that_promised_it(
    gateway: GatewayProcess, receiver: FileServer, job_store: RedisJobStore
) -> None:
    receiver.answers["/clip.gif"] = sends(VIDEO)
    with httpx.Client(base_url=gateway.url, trust_env=False, timeout=20) as client:
        form = client.post(
            "/videos",
            data={"webhook_url": receiver.url("/hook")},
            files={"file": ("clip.gif", VIDEO)},
        )
        document = client.post(
            "/videos",
            json={
                "source_url": receiver.url("/clip.gif"),
                "webhook_url": receiver.url("/hook"),
            },
        )
        refused = client.post(
            "/videos",
            data={"webhook_url": "file:///etc/passwd"},
            files={"file": ("clip.gif", VIDEO)},
        )
        assert (refused.status_code, refused.json()["code"]) == (422, "url_refused")
        ids = [answer.json()["id"] for answer in (form, document)]
        before = client.get(f"/videos/{ids[0]}/webhooks").json()
        assert before == {"url": receiver.url("/hook"), "deliveries": []}
    assert gateway.stop() == -signal.SIGTERM
    for video_id in ids:
        job_store.fail(video_id, Failure.of(NoVideoStream("Only audio.")))
    gateway.run()
    deadline = time.monotonic() + 20
    with httpx.Client(base_url=gateway.url, trust_env=False, timeout=20) as client:
        for video_id in ids:
            while not (told := client.get(f"/videos/{video_id}/webhooks").json())["deliveries"]:
                assert time.monotonic() < deadline, gateway.stored_keys()
                time.sleep(0.05)
            assert told["deliveries"][0]["status"] == "delivered"
            assert told["deliveries"][0]["event"] == f"video.{Status.FAILED}"
    messages = [request for request in receiver.received if request.path == "/hook"]
    assert sorted(json.loads(message.body)["data"]["id"] for message in messages) == sorted(ids)
    for message in messages:
        verify(message)
