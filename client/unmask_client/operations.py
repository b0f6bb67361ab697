"""What can be asked of Unmask, one operation each: the calls, and what their answers mean."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO, Final
from urllib.parse import quote

from unmask_client.answers import read
from unmask_client.calls import Answer, Call, FileToSend, Operation, Sent
from unmask_client.errors import InvalidArgument
from unmask_client.models import AnalysisOptions, Video
from unmask_client.retries import RetryPolicy, send

# After the last byte the server still has to store it.
_UPLOAD_ANSWER_TIMEOUT_S: Final = 120.0


def submit(
    source: str | os.PathLike[str] | BinaryIO,
    *,
    options: AnalysisOptions,
    filename: str | None,
    on_sent: Sent | None,
    policy: RetryPolicy,
) -> Operation[Video]:
    """Send a file in."""
    file = Path(source) if isinstance(source, str | os.PathLike) else source
    call = Call(
        method="POST",
        path="/videos",
        form=form_of(options),
        upload=FileToSend(file=file, filename=filename or _name_of(file), on_sent=on_sent),
        idempotent=False,
        answer_timeout_s=_UPLOAD_ANSWER_TIMEOUT_S,
    )
    answer: Answer = yield from send(call, policy)
    return read(answer, Video)


def video_call(video_id: str, *below: str) -> Call:
    """The call that asks about a video, or for what lies below it."""
    return Call(method="GET", path=_path("videos", video_id, *below))


def get(video_id: str, *, policy: RetryPolicy) -> Operation[Video]:
    """Ask where a video stands."""
    answer: Answer = yield from send(video_call(video_id), policy)
    return read(answer, Video)


def download(path: str, into: BinaryIO, *, policy: RetryPolicy) -> Operation[None]:
    """Fetch what lies at a path of the API.

    Raises:
        InvalidArgument: It is an address elsewhere, where the API key must not go.
    """
    if not path.startswith("/") or path.startswith("//"):
        raise InvalidArgument(f"{path!r} is not a path of the API, such as /videos/ID/source.")
    call = Call(method="GET", path=path, headers={"Accept": "*/*"})
    yield from send(call, policy, into=into)


def form_of(options: AnalysisOptions) -> Mapping[str, str]:
    """Options as fields of a form; those at their defaults are left to the server."""
    chosen: dict[str, Any] = options.model_dump(mode="json", exclude_defaults=True)
    return {name: str(value).lower() for name, value in chosen.items()}


def _path(*steps: str) -> str:
    return "/" + "/".join(quote(step, safe="") for step in steps)


def _name_of(file: Path | BinaryIO) -> str:
    name = file.name if isinstance(file, Path) else getattr(file, "name", None)
    return Path(name).name if isinstance(name, str) else "video"
