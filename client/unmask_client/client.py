"""The client for programs that block while they wait."""

import os
from collections.abc import Iterable, Iterator
from types import TracebackType
from typing import BinaryIO, Self

import httpx

from unmask_client import administration, direct_uploads, operations, waiting
from unmask_client.admin_models import (
    ActiveModel,
    ApiKey,
    ApiKeyList,
    ModelDetails,
    ModelVersion,
    NewApiKey,
)
from unmask_client.batch_methods import BatchMethods
from unmask_client.blocking_network import BlockingNetwork
from unmask_client.calls import Sent, api_path
from unmask_client.configuration import choose_server
from unmask_client.destination import destination
from unmask_client.direct_uploads import Upload
from unmask_client.models import AnalysisChanges, AnalysisOptions, FaceMode, Video, VideoSummary
from unmask_client.operations import VideoFilter
from unmask_client.outcome_messages import Webhooks
from unmask_client.retries import RetryPolicy


class Client(BatchMethods):
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
        self._network = BlockingNetwork(server, transport)

    def submit(
        self,
        source: str | os.PathLike[str] | BinaryIO,
        options: AnalysisOptions | None = None,
        *,
        filename: str | None = None,
        webhook_url: str | None = None,
        idempotency_key: str | None = None,
        on_upload: Sent | None = None,
    ) -> Video:
        """Send a video in; it is streamed, and never in memory as a whole.

        It is sent again when the connection breaks: an `Idempotency-Key` lets the server recognise
        what it has already.

        Args:
            source: Path of a file, an open binary file (from its beginning, if it can seek), or an
                http or https URL, from which the server fetches the file.
            options: What to do beyond the usual.
            filename: What to call the file, if not by its own name.
            webhook_url: Where the server sends a signed message when the video has ended;
                `verify_webhook` reads it.
            idempotency_key: Text that stands for this submission, such as an id of your own, so
                that it brings one video even if your program dies and submits it again within a
                day; random if it is left out.
            on_upload: Called while the request leaves, with the bytes that have left and with how
                many there are; None where that is not known.

        Returns:
            The accepted video; `wait` follows it to its end.
        """
        return self._network.run(
            operations.submit(
                source,
                options=options or AnalysisOptions(),
                filename=filename,
                webhook_url=webhook_url,
                idempotency_key=idempotency_key,
                on_sent=on_upload,
                policy=self._policy,
            )
        )

    def submit_directly(
        self,
        source: str | os.PathLike[str],
        options: AnalysisOptions | None = None,
        *,
        filename: str | None = None,
        webhook_url: str | None = None,
        upload_id: str | None = None,
        on_begun: direct_uploads.OnBegun | None = None,
        on_upload: Sent | None = None,
    ) -> Video:
        """Send a large file straight to the object store, part by part, and make a video of it.

        A part whose connection breaks is sent again, the others are not. To go on in another
        process, keep the `id` that `on_begun` is told, and pass it as `upload_id`.

        Args:
            source: Path of the file.
            options: As for `submit`.
            filename: As for `submit`.
            webhook_url: As for `submit`.
            upload_id: Go on with this upload, of the same file with the same options.
            on_begun: Called with the upload before its first part leaves.
            on_upload: Called while parts leave, with the bytes of the file that have left, and its
                size.

        Raises:
            NotFound: The upload has expired; begin anew.
            PartRefused: The object store does not take the file.
        """
        return self._network.run(
            direct_uploads.submit_directly(
                source,
                options=options or AnalysisOptions(),
                filename=filename,
                webhook_url=webhook_url,
                upload_id=upload_id,
                on_begun=on_begun,
                on_sent=on_upload,
                policy=self._policy,
            )
        )

    def upload(self, upload_id: str) -> Upload:
        """Which parts of a direct upload have arrived."""
        return self._network.run(direct_uploads.get(upload_id, policy=self._policy))

    def discard_upload(self, upload_id: str) -> None:
        """Erase what has arrived of a direct upload."""
        self._network.run(direct_uploads.discard(upload_id, policy=self._policy))

    def analyze_again(
        self,
        video_id: str,
        changes: AnalysisChanges | None = None,
        *,
        idempotency_key: str | None = None,
    ) -> Video:
        """Have the file of a video judged once more, by the active model or another one.

        Returns:
            A new video, which names the other in `analysis_of`; the outcome of that one stays.
        """
        return self._network.run(
            operations.analyze_again(
                video_id,
                changes or AnalysisChanges(),
                idempotency_key=idempotency_key,
                policy=self._policy,
            )
        )

    def webhooks(self, video_id: str) -> Webhooks:
        """What became of the message about the end of a video."""
        return self._network.run(operations.webhooks(video_id, policy=self._policy))

    def get(self, video_id: str) -> Video:
        """Where a video stands, and what came out of it."""
        return self._network.run(operations.get(video_id, policy=self._policy))

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
        return self._network.run(
            waiting.wait(
                video_id, timeout_s=timeout_s, on_progress=on_progress, policy=self._policy
            )
        )

    def list(self, wanted: VideoFilter | None = None) -> Iterator[VideoSummary]:
        """All videos that the filter lets through, the newest first, fetched page by page."""
        chosen = wanted or VideoFilter()
        for page in self._network.pages(
            lambda cursor: operations.page(chosen, cursor, policy=self._policy)
        ):
            yield from page.videos

    def cancel(self, video_id: str) -> Video:
        """End a video without a result; its file stays until it is deleted.

        Raises:
            Conflict: It has ended already, in another way.
        """
        return self._network.run(operations.cancel(video_id, policy=self._policy))

    def delete(self, video_id: str) -> None:
        """Erase a video at any stage, with everything that was made of it."""
        self._network.run(operations.delete(video_id, policy=self._policy))

    def download(self, path: str, to: str | os.PathLike[str] | BinaryIO) -> None:
        """Fetch a picture that a result names.

        Args:
            path: Such as `face.thumbnail`, `face.landmarks` or `heatmap.picture`.
            to: A file, which appears when it is whole; or an open binary file that can seek.
        """
        with destination(to) as file:
            self._network.run(operations.download(path, file, policy=self._policy))

    def report(self, video_id: str, to: str | os.PathLike[str] | BinaryIO) -> None:
        """Fetch the report on a video, one HTML file that stands alone; see `download`."""
        self.download(api_path("videos", video_id, "report"), to)

    def source(self, video_id: str, to: str | os.PathLike[str] | BinaryIO) -> None:
        """Fetch the file that was sent in, byte for byte; see `download`."""
        self.download(api_path("videos", video_id, "source"), to)

    def models(self) -> tuple[ModelVersion, ...]:
        """All published versions of models."""
        return self._network.run(administration.models(policy=self._policy)).models

    def model(self, name: str, version: str) -> ModelDetails:
        """One version with its whole card."""
        return self._network.run(administration.model(name, version, policy=self._policy))

    def active_model(self, face_mode: FaceMode = "faces") -> ActiveModel:
        """Which version judges the faces, or the whole pictures, of videos that are sent now."""
        return self._network.run(administration.active_model(face_mode, policy=self._policy))

    def activate(self, name: str, version: str) -> ActiveModel:
        """Let a published version judge the videos that are sent from now on."""
        return self._network.run(administration.activate(name, version, policy=self._policy))

    def undo_activation(self, face_mode: FaceMode = "faces") -> ActiveModel:
        """Go back to the version that was active before for faces, or for whole pictures."""
        return self._network.run(administration.undo_activation(face_mode, policy=self._policy))

    def create_key(self, name: str, scopes: Iterable[str]) -> NewApiKey:
        """Make an API key, which is told only now.

        Args:
            name: What it is for, in words.
            scopes: Of `submit`, `read` and `admin`.
        """
        return self._network.run(administration.create_key(name, scopes, policy=self._policy))

    def api_keys(self) -> tuple[ApiKey, ...]:
        """All API keys, also those that were revoked."""
        return self.api_key_list().keys

    def api_key_list(self) -> ApiKeyList:
        """All API keys, and what should be one but is damaged in the server's object store."""
        return self._network.run(administration.keys(policy=self._policy))

    def revoke_key(self, key_id: str) -> None:
        """End an API key, by its `id`."""
        self._network.run(administration.revoke_key(key_id, policy=self._policy))

    def close(self) -> None:
        """Close all connections."""
        self._network.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
