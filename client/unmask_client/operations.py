"""What can be asked about videos, one operation each: the calls, and what their answers mean."""

import os
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any, BinaryIO, Final, TypeGuard

from unmask_client.answers import read
from unmask_client.calls import Answer, Call, FileToSend, Operation, Sent, api_path
from unmask_client.errors import InvalidArgument
from unmask_client.models import (
    AnalysisChanges,
    AnalysisOptions,
    Status,
    Verdict,
    Video,
    VideoPage,
)
from unmask_client.outcome_messages import Webhooks
from unmask_client.retries import RetryPolicy, send

# After the last byte the server still has to store it.
_UPLOAD_ANSWER_TIMEOUT_S: Final = 120.0
# The server fetches the file before it answers.
_FETCH_ANSWER_TIMEOUT_S: Final = 900.0


@dataclass(frozen=True, kw_only=True)
class VideoFilter:
    """Which videos a list shows; without anything, all.

    Attributes:
        statuses: Any of these.
        verdicts: Any of these.
        created_after: Accepted then or later; with a time zone.
        created_before: Accepted before; with a time zone.
        filename: Part of the file's name; case does not matter.
    """

    statuses: Sequence[Status] = ()
    verdicts: Sequence[Verdict] = ()
    created_after: datetime | None = None
    created_before: datetime | None = None
    filename: str = ""

    def query(self) -> Iterator[tuple[str, str]]:
        """The parameters of the URL."""
        yield from (("status", status.value) for status in self.statuses)
        yield from (("verdict", verdict.value) for verdict in self.verdicts)
        if self.created_after is not None:
            yield "created_after", self.created_after.isoformat()
        if self.created_before is not None:
            yield "created_before", self.created_before.isoformat()
        if self.filename:
            yield "filename", self.filename


def submit(
    source: str | os.PathLike[str] | BinaryIO,
    *,
    options: AnalysisOptions,
    filename: str | None,
    webhook_url: str | None,
    idempotency_key: str | None,
    on_sent: Sent | None,
    policy: RetryPolicy,
) -> Operation[Video]:
    """Send a file in, or the URL of one.

    Its key makes it safe to send it again when an answer is lost.
    """
    call = (
        call_with_json({"source_url": source}, options, webhook_url)
        if is_url(source)
        else _call_with_file(source, options, filename, webhook_url, on_sent)
    )
    answer: Answer = yield from send(recognisable(call, idempotency_key), policy)
    return read(answer, Video)


def analyze_again(
    video_id: str, changes: AnalysisChanges, *, idempotency_key: str | None, policy: RetryPolicy
) -> Operation[Video]:
    """Have a stored video judged once more."""
    call = Call(
        method="POST",
        path=api_path("videos", video_id, "analyses"),
        content=changes.model_dump(mode="json", exclude_none=True),
        answer_timeout_s=_UPLOAD_ANSWER_TIMEOUT_S,
    )
    answer: Answer = yield from send(recognisable(call, idempotency_key), policy)
    return read(answer, Video)


def is_url(source: object) -> TypeGuard[str]:
    """Whether a source is to be fetched by the server."""
    return isinstance(source, str) and source.lower().startswith(("http://", "https://"))


def get(video_id: str, *, policy: RetryPolicy) -> Operation[Video]:
    """Ask where a video stands."""
    answer: Answer = yield from send(video_call(video_id), policy)
    return read(answer, Video)


def webhooks(video_id: str, *, policy: RetryPolicy) -> Operation[Webhooks]:
    """Ask what became of the message about the end of a video."""
    call = Call(method="GET", path=api_path("videos", video_id, "webhooks"))
    answer: Answer = yield from send(call, policy)
    return read(answer, Webhooks)


def page(wanted: VideoFilter, cursor: str | None, *, policy: RetryPolicy) -> Operation[VideoPage]:
    """One page of a list, the newest videos first."""
    query = [*wanted.query(), ("limit", "100")]
    if cursor is not None:
        query.append(("cursor", cursor))
    answer: Answer = yield from send(Call(method="GET", path="/videos", query=query), policy)
    return read(answer, VideoPage)


def cancel(video_id: str, *, policy: RetryPolicy) -> Operation[Video]:
    """End a video without a result; one that is cancelled already stays so."""
    call = Call(method="POST", path=api_path("videos", video_id, "cancel"))
    answer: Answer = yield from send(call, policy)
    return read(answer, Video)


def delete(video_id: str, *, policy: RetryPolicy) -> Operation[None]:
    """Erase a video."""
    yield from send(Call(method="DELETE", path=api_path("videos", video_id)), policy)


def download(path: str, into: BinaryIO, *, policy: RetryPolicy) -> Operation[None]:
    """Fetch what lies at a path of the API.

    Raises:
        InvalidArgument: It is an address elsewhere, where the API key must not go.
    """
    if not path.startswith("/") or path.startswith("//"):
        raise InvalidArgument(f"{path!r} is not a path of the API, such as /videos/ID/source.")
    yield from send(Call(method="GET", path=path, headers={"Accept": "*/*"}), policy, into=into)


def video_call(video_id: str) -> Call:
    """The call that asks where a video stands."""
    return Call(method="GET", path=api_path("videos", video_id))


def form_of(options: AnalysisOptions) -> Mapping[str, str]:
    """Options as fields of a form; those at their defaults are left to the server."""
    chosen: dict[str, Any] = options.model_dump(mode="json", exclude_defaults=True)
    return {
        name: str(value).lower() if isinstance(value, bool) else str(value)
        for name, value in chosen.items()
    }


def call_with_json(
    names: Mapping[str, str], options: AnalysisOptions, webhook_url: str | None
) -> Call:
    """The call that makes a video of a file that is elsewhere.

    Args:
        names: Says where.
        options: What to do with it.
        webhook_url: Where the outcome is sent.
    """
    return Call(
        method="POST",
        path="/videos",
        content={**place_and_options(names, options), **webhook_field(webhook_url)},
        answer_timeout_s=_FETCH_ANSWER_TIMEOUT_S,
    )


def place_and_options(names: Mapping[str, str], options: AnalysisOptions) -> dict[str, Any]:
    """Where a file is and what to do with it, in JSON; defaults are left to the server."""
    return {**names, **options.model_dump(mode="json", exclude_defaults=True)}


def webhook_field(webhook_url: str | None) -> Mapping[str, str]:
    """The field of a form, or of JSON, that asks for a message; none where nobody asks."""
    return {} if webhook_url is None else {"webhook_url": webhook_url}


def recognisable(call: Call, idempotency_key: str | None) -> Call:
    """Lets the server tell a call that is sent again from another one."""
    return replace(call, headers={"Idempotency-Key": idempotency_key or str(uuid.uuid4())})


def name_of(file: Path | BinaryIO) -> str:
    """What to call a file if nobody says it."""
    name = file.name if isinstance(file, Path) else getattr(file, "name", None)
    return printable(Path(name).name) if isinstance(name, str) else "video"


def printable(name: str) -> str:
    """The name of a file without what is no UTF-8 in it, which file systems allow."""
    return name.encode(errors="surrogateescape").decode(errors="replace")


def _call_with_file(
    source: str | os.PathLike[str] | BinaryIO,
    options: AnalysisOptions,
    filename: str | None,
    webhook_url: str | None,
    on_sent: Sent | None,
) -> Call:
    file = Path(source) if isinstance(source, str | os.PathLike) else source
    return Call(
        method="POST",
        path="/videos",
        # They come before the file, so that what is wrong with them is told before it is sent.
        form={**form_of(options), **webhook_field(webhook_url)},
        upload=FileToSend(file=file, filename=filename or name_of(file), on_sent=on_sent),
        answer_timeout_s=_UPLOAD_ANSWER_TIMEOUT_S,
    )
