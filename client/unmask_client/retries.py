"""When a call is sent again, and after how long."""

import random
from dataclasses import dataclass
from itertools import count
from typing import BinaryIO, Final

from unmask_client.answers import read_problem
from unmask_client.calls import Answer, Call, Operation, Send, Sleep
from unmask_client.errors import ConnectionFailed, ProblemError

# A gateway may or may not have handed the call on; the others say that nothing was done.
_BAD_GATEWAYS: Final = frozenset({502, 504})
_REFUSALS: Final = frozenset({429, 503})


@dataclass(frozen=True, kw_only=True)
class RetryPolicy:
    """How patient the client is with networks and busy servers.

    The pause doubles with each attempt and is drawn from its upper half, so that clients that
    failed together do not come back together.

    Attributes:
        attempts: How often a call is sent at most; 1 never sends it again.
        first_pause_s: Longest pause after the first attempt, in seconds.
        longest_pause_s: Where doubling ends.
        longest_retry_after_s: If the server wants to be left alone for longer (`Retry-After`), the
            call fails at once, and the error says for how long.
    """

    attempts: int = 5
    first_pause_s: float = 0.5
    longest_pause_s: float = 20.0
    longest_retry_after_s: float = 60.0

    def pause_s(self, attempt: int) -> float:
        """How long to wait after so many attempts, from 1 on, in seconds."""
        longest = min(self.longest_pause_s, self.first_pause_s * 2 ** (attempt - 1))
        return random.uniform(longest / 2, longest)


def send(call: Call, policy: RetryPolicy, *, into: BinaryIO | None = None) -> Operation[Answer]:
    """Send a call, again if that is safe and may help, until it is answered with a success.

    Args:
        call: What to send.
        policy: How often.
        into: Takes the body of the success; must be able to seek.

    Raises:
        ConnectionFailed: No attempt was answered.
        ProblemError: The server refuses.
    """
    start = into.tell() if into else 0
    for attempt in count(1):
        error: ConnectionFailed | ProblemError
        try:
            answer: Answer = yield Send(call=call, into=into)
        except ConnectionFailed as failure:
            error = failure
        else:
            if answer.is_success:
                return answer
            error = read_problem(answer)
        if attempt >= policy.attempts or not _may_help(call, error, policy):
            raise error
        asked_s = error.retry_after_s if isinstance(error, ProblemError) else None
        yield Sleep(seconds=max(policy.pause_s(attempt), asked_s or 0.0))
        if into:
            into.seek(start)
            into.truncate()
    raise AssertionError("count never ends")


def _may_help(call: Call, error: ConnectionFailed | ProblemError, policy: RetryPolicy) -> bool:
    if isinstance(error, ConnectionFailed):
        return not error.maybe_received or (call.idempotent and call.is_repeatable)
    if not call.is_repeatable or (error.retry_after_s or 0.0) > policy.longest_retry_after_s:
        return False
    if error.status in _BAD_GATEWAYS:
        return call.idempotent
    return error.status in _REFUSALS or error.retryable
