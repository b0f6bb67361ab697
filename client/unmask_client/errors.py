"""Every error of the client, as one tree; each says what was wrong and what to do.

What the server refuses arrives as an RFC 9457 problem and becomes a `ProblemError`, with the
server's stable `code` to branch on.
"""

from unmask_client.batch_models import Batch
from unmask_client.models import Video


class UnmaskClientError(Exception):
    """Base of all errors of the client; `str(error)` is the detail."""

    code: str = "client_error"
    title: str = "The client could not do what was asked"
    action: str = "Read the detail."

    @property
    def detail(self) -> str:
        """What exactly was wrong."""
        return str(self)


class InvalidArgument(UnmaskClientError):
    """The client was asked for something that cannot be."""

    code = "invalid_argument"
    title = "An argument is not valid"
    action = "Correct what the detail names."


class ConnectionFailed(UnmaskClientError):
    """No answer came back.

    Attributes:
        maybe_received: Whether the server may have received the request all the same.
    """

    code = "connection_failed"
    title = "The server does not answer"
    action = (
        "Check that Unmask runs there (`unmask serve` starts it), and the address in UNMASK_URL."
    )

    def __init__(self, detail: str, *, maybe_received: bool) -> None:
        super().__init__(detail)
        self.maybe_received = maybe_received


class PartRefused(UnmaskClientError):
    """The object store does not take a part of a file."""

    code = "part_refused"
    title = "The object store refuses a part of the file"
    action = (
        "Send it again: it goes on where it stopped. If that does not help, send it through the "
        "gateway (without --direct), and tell the operator."
    )


class UnexpectedAnswer(UnmaskClientError):
    """The answer is not what this version of the API gives."""

    code = "unexpected_answer"
    title = "The answer is not one of Unmask's"
    action = (
        "Check that UNMASK_URL names the gateway itself, and that client and server are of the "
        "same version."
    )


class WaitTimedOut(UnmaskClientError):
    """A video did not end in time; it is still being processed.

    Attributes:
        video: Where it stood last.
    """

    code = "wait_timed_out"
    title = "The video is not finished yet"
    action = "Wait again, for longer; the video is processed whether somebody waits or not."

    def __init__(self, detail: str, *, video: Video) -> None:
        super().__init__(detail)
        self.video = video


class BatchWaitTimedOut(UnmaskClientError):
    """A batch did not end in time; its videos are still being processed.

    Attributes:
        batch: Where it stood last, with the first of its items.
    """

    code = "wait_timed_out"
    title = "The batch is not finished yet"
    action = "Wait again, for longer; its videos are processed whether somebody waits or not."

    def __init__(self, detail: str, *, batch: Batch) -> None:
        super().__init__(detail)
        self.batch = batch


class InvalidWebhook(UnmaskClientError):
    """A webhook does not come from the holder of the secret, or is too old."""

    code = "invalid_webhook"
    title = "The webhook cannot be trusted"
    action = "Answer with status 401 and ignore the content; check the secret and the clock."


class ProblemError(UnmaskClientError):
    """The server refused, and said why.

    Attributes:
        status: The HTTP status.
        retryable: Whether the same request may work later.
        retry_after_s: How long the server wants it left alone, in seconds, if it said so.
    """

    def __init__(
        self,
        detail: str,
        *,
        status: int,
        code: str,
        title: str,
        action: str,
        retryable: bool = False,
        retry_after_s: float | None = None,
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.code = code
        self.title = title
        self.action = action
        self.retryable = retryable
        self.retry_after_s = retry_after_s


class AccessRefused(ProblemError):
    """The API key is missing, unknown, revoked, or not allowed to do this."""


class NotFound(ProblemError):
    """There is no such video, model or picture for this caller."""


class Conflict(ProblemError):
    """The state of the thing does not allow this."""


class TooManyRequests(ProblemError):
    """The caller is over a rate limit or a quota."""


class Unavailable(ProblemError):
    """The server, or something that it needs, is down or busy at the moment."""
