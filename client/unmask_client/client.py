"""The client for programs that block while they wait."""

import os
import time
from types import TracebackType
from typing import BinaryIO, Self, TypeVar

import httpx
from httpx_sse import EventSource

from unmask_client import operations, waiting
from unmask_client.calls import Answer, Effect, Listen, Operation, Send, Sent, Sleep
from unmask_client.configuration import choose_server
from unmask_client.destination import destination
from unmask_client.errors import ConnectionFailed
from unmask_client.models import AnalysisOptions, Video
from unmask_client.retries import RetryPolicy
from unmask_client.wire import make_request, opened, translated_errors

T = TypeVar("T")


class Client:
    """Speaks to one gateway; safe to use from several threads.

    Every method raises a subclass of `UnmaskClientError`: `ProblemError` when the server refuses,
    `ConnectionFailed` when it cannot be reached, `UnexpectedAnswer` when it is not Unmask.

    Example:
        with Client() as unmask:
            video = unmask.wait(unmask.submit("clip.mp4").id)
            print(video.result.verdict, video.result.fake_probability)
    """

    def __init__(
        self,
        url: str | None = None,
        *,
        api_key: str | None = None,
        timeout_s: float = 30.0,
        retries: RetryPolicy | None = None,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        """Prepare to speak to a server; nothing is contacted yet.

        Args:
            url: The gateway's base URL; `UNMASK_URL`, or http://127.0.0.1:8000.
            api_key: Key of this installation, if it asks for one; `UNMASK_API_KEY`.
            timeout_s: How long the server may be silent, in seconds.
            retries: How often, and when, calls are sent again.
            transport: Instead of the network, or to set up proxies and certificates.

        Raises:
            InvalidArgument: The URL is not one of HTTP.
        """
        server = choose_server(url, api_key=api_key, timeout_s=timeout_s)
        self._policy = retries or RetryPolicy()
        self._http = httpx.Client(
            base_url=server.url,
            headers=server.headers,
            timeout=server.timeout,
            transport=transport,
        )

    def submit(
        self,
        source: str | os.PathLike[str] | BinaryIO,
        options: AnalysisOptions | None = None,
        *,
        filename: str | None = None,
        on_upload: Sent | None = None,
    ) -> Video:
        """Send a video in; it is streamed, and never in memory as a whole.

        Args:
            source: Path of a file, or an open binary file (from its beginning, if it can seek).
            options: What to do beyond the usual.
            filename: What to call the file, if not by its own name.
            on_upload: Called while the request leaves, with the bytes that have left and with how
                many there are; None where that is not known.

        Returns:
            The accepted video; `wait` follows it to its end.
        """
        return self._run(
            operations.submit(
                source,
                options=options or AnalysisOptions(),
                filename=filename,
                on_sent=on_upload,
                policy=self._policy,
            )
        )

    def get(self, video_id: str) -> Video:
        """Where a video stands, and what came out of it."""
        return self._run(operations.get(video_id, policy=self._policy))

    def wait(
        self,
        video_id: str,
        *,
        timeout_s: float | None = None,
        on_progress: waiting.OnProgress | None = None,
    ) -> Video:
        """Wait until a video is completed, failed or cancelled.

        Args:
            video_id: Its id.
            timeout_s: How long to wait at most, in seconds; None for as long as it takes.
            on_progress: Called with the video whenever it got further.

        Raises:
            WaitTimedOut: It is not finished; waiting may go on at any time.
        """
        return self._run(
            waiting.wait(
                video_id, timeout_s=timeout_s, on_progress=on_progress, policy=self._policy
            )
        )

    def download(self, path: str, to: str | os.PathLike[str] | BinaryIO) -> None:
        """Fetch a picture that a result names.

        Args:
            path: Such as `face.thumbnail`, `face.landmarks` or `heatmap.picture`.
            to: A file, which appears when it is whole; or an open binary file that can seek.
        """
        with destination(to) as file:
            self._run(operations.download(path, file, policy=self._policy))

    def close(self) -> None:
        """Close all connections."""
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _run(self, operation: Operation[T]) -> T:
        try:
            effect = next(operation)
            while True:
                try:
                    answer = self._carry_out(effect)
                except ConnectionFailed as error:
                    effect = operation.throw(error)
                else:
                    effect = operation.send(answer)
        except StopIteration as end:
            result: T = end.value
            return result

    def _carry_out(self, effect: Effect) -> Answer:
        if isinstance(effect, Sleep):
            time.sleep(effect.seconds)
            return Answer(status=0)
        with opened(effect.call) as file, translated_errors(self._http.base_url):
            request = make_request(self._http, effect.call, file)
            response = self._http.send(request, stream=True)
            try:
                return self._take(effect, response)
            finally:
                response.close()

    def _take(self, effect: Send | Listen, response: httpx.Response) -> Answer:
        body = b""
        if not response.is_success:
            body = response.read()
        elif isinstance(effect, Listen):
            for event in EventSource(response).iter_sse():
                if effect.on_event(event):
                    break
        elif effect.into is not None:
            for piece in response.iter_bytes():
                effect.into.write(piece)
        else:
            body = response.read()
        return Answer(status=response.status_code, headers=response.headers, body=body)
