"""What the logic of the client asks the network for, and what it gets back: no I/O in here.

The logic is written once, as generators that yield effects (`Send`, `Listen`, `Sleep`) and are
resumed with an `Answer`. `Client` and `AsyncClient` carry the effects out, each in its own way.
"""

from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, Literal, Protocol, TypeVar
from urllib.parse import quote

import httpx

T = TypeVar("T")

Sent = Callable[[int, int | None], None]
"""Told how many bytes of a request have left, and of how many if that is known."""


@dataclass(frozen=True, kw_only=True)
class FileToSend:
    """A file of a form.

    Attributes:
        file: Where it is, or an open binary file, which is read from its beginning if it can seek.
        filename: What to call it.
        on_sent: Called while the request leaves.
    """

    file: Path | BinaryIO
    filename: str
    on_sent: Sent | None = None

    @property
    def is_repeatable(self) -> bool:
        """Whether it can be sent a second time."""
        return isinstance(self.file, Path) or self.file.seekable()


@dataclass(frozen=True, kw_only=True)
class PartToSend:
    """A piece of a file, for an object store that knows the request by its URL.

    Attributes:
        url: Takes exactly this piece; the API key must not go there.
        file: Where the file is.
        first_byte: Where the piece begins.
        bytes: Its size.
        on_sent: Called while it leaves.
    """

    url: str
    file: Path
    first_byte: int
    bytes: int
    on_sent: Sent | None = None


@dataclass(frozen=True, kw_only=True)
class Call:
    """One request to the API, as often as it may have to be sent.

    Attributes:
        method: The HTTP method.
        path: Path below the base URL, such as `/videos`.
        query: Parameters of the URL; a name may come several times.
        headers: Beside those that every request has.
        form: Text fields of a form, which then also has `upload`.
        upload: The file of the form.
        content: A JSON body in the place of a form.
        part: Sent instead of all that, past the API.
        idempotent: Whether the server does the same if it gets the call twice.
        answer_timeout_s: Time for the answer, in seconds, if it takes longer than usual.
    """

    method: Literal["GET", "POST", "PUT", "DELETE"]
    path: str
    query: Sequence[tuple[str, str]] = ()
    headers: Mapping[str, str] = field(default_factory=dict)
    form: Mapping[str, str] = field(default_factory=dict)
    upload: FileToSend | None = None
    content: Mapping[str, Any] | None = None
    part: PartToSend | None = None
    idempotent: bool = True
    answer_timeout_s: float | None = None

    @property
    def is_repeatable(self) -> bool:
        """Whether the body can be sent a second time."""
        return self.upload is None or self.upload.is_repeatable


def api_path(*steps: str) -> str:
    """A path of the API; what users typed stays one step of it, whatever characters it has."""
    return "/" + "/".join(quote(step, safe="") for step in steps)


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What the server said.

    Attributes:
        status: The HTTP status.
        headers: Its headers.
        body: The whole body; empty where it went to a file or was listened to.
    """

    status: int
    headers: httpx.Headers = field(default_factory=httpx.Headers)
    body: bytes = b""

    @property
    def is_success(self) -> bool:
        """Whether the server did what was asked."""
        return 200 <= self.status < 300


@dataclass(frozen=True, kw_only=True)
class Send:
    """Send the call once, and answer with what comes back.

    Attributes:
        call: What to send.
        into: Takes the body, piece by piece, of an answer that is a success.
    """

    call: Call
    into: BinaryIO | None = None


@dataclass(frozen=True, kw_only=True)
class Listen:
    """Send the call once and hand on the body while it arrives, until it ends.

    Attributes:
        call: What to send.
        on_data: Takes a piece of the body of a success, and returns whether that is enough.
    """

    call: Call
    on_data: Callable[[bytes], bool]


@dataclass(frozen=True, kw_only=True)
class Sleep:
    """Let time pass; the answer means nothing."""

    seconds: float


Effect = Send | Listen | Sleep
Operation = Generator[Effect, Any, T]
"""Logic that yields effects, is resumed with an `Answer` to each, or with `ConnectionFailed` raised
where it stands, and returns its outcome."""


class Page(Protocol):
    """Some entries of a list."""

    @property
    def next_cursor(self) -> str | None:
        """What the next page is asked for by; None on the last."""


P = TypeVar("P", bound=Page)
