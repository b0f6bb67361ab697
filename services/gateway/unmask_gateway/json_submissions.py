"""Videos that a JSON document names instead of holding them."""

import logging
from collections.abc import Callable
from typing import Annotated, Any, Final, Self

from anyio import to_thread
from pydantic import ConfigDict, Field, ValidationError, model_validator

from unmask_gateway.access.caller import Caller
from unmask_gateway.direct_uploads import (
    UPLOAD_ID_PATTERN,
    DirectUpload,
    DirectUploadService,
)
from unmask_gateway.forms import WEBHOOK_FIELD
from unmask_gateway.idempotency import IdempotencyKeys, fingerprint_of
from unmask_gateway.outbound.client import OutboundClient
from unmask_gateway.outbound.fetching import FileFetch
from unmask_gateway.outbound.rules import MAX_URL_LENGTH
from unmask_gateway.pipe import UploadPipe
from unmask_gateway.submissions import Submissions
from unmask_gateway.uploads import Accepted, IncomingUpload, UploadReceiver
from unmask_shared.errors import InvalidOption, InvalidRequest, UnmaskError
from unmask_shared.videos import AnalysisOptions

log = logging.getLogger(__name__)


_ONE_FILE: Final[dict[str, Any]] = {
    "examples": [{"source_url": "https://example.com/clips/interview.mp4", "heatmaps": True}],
    "oneOf": [
        {
            "required": ["source_url"],
            "properties": {"source_url": {"type": "string"}, "upload_id": {"type": "null"}},
        },
        {
            "required": ["upload_id"],
            "properties": {"upload_id": {"type": "string"}, "source_url": {"type": "null"}},
        },
    ],
}


class VideoSubmission(AnalysisOptions):
    """The body of a request that names a video: where it is, and what is asked for."""

    model_config = ConfigDict(json_schema_extra=_ONE_FILE)

    source_url: Annotated[
        str | None,
        Field(
            max_length=MAX_URL_LENGTH,
            description="An http or https URL, from which the file is fetched before the answer. "
            "Redirects are followed.",
            examples=["https://example.com/clips/interview.mp4"],
        ),
    ] = None
    upload_id: Annotated[
        str | None,
        Field(
            pattern=UPLOAD_ID_PATTERN,
            description="What POST /uploads gave, once all parts are stored. It counts as the "
            "Idempotency-Key where none is sent. Either this or `source_url` is needed.",
            examples=["01890a5d-ac96-774b-bcce-b302099a8057"],
        ),
    ] = None
    webhook_url: Annotated[
        str | None,
        Field(
            max_length=MAX_URL_LENGTH,
            description="An http or https URL to which a signed message is sent when the video has "
            "ended, after https://www.standardwebhooks.com; GET /videos/{video_id}/webhooks tells "
            "what became of it.",
            examples=["https://example.com/hooks/unmask"],
        ),
    ] = None

    @model_validator(mode="after")
    def _names_one_file(self) -> Self:
        if (self.source_url is None) == (self.upload_id is None):
            raise ValueError("needs either `source_url` or `upload_id`")
        return self

    @property
    def origin(self) -> str:
        """What tells the file from others."""
        if self.upload_id is not None:
            return f"upload:{self.upload_id}"
        return f"url:{self.source_url}"

    @property
    def options(self) -> AnalysisOptions:
        """What is asked for."""
        return AnalysisOptions.model_validate(
            {name: getattr(self, name) for name in AnalysisOptions.model_fields}
        )

    @classmethod
    def parse(cls, body: bytes) -> Self:
        """Read a JSON document.

        Raises:
            InvalidOption: One of the options is not allowed.
            InvalidRequest: It is no such document otherwise.
        """
        try:
            # Strictly, or 0 and "no" would stand for false.
            return cls.model_validate_json(body, strict=True)
        except ValidationError as error:
            fault = error.errors()[0]
            where = ".".join(map(str, fault["loc"])) or "the body"
            is_option = where in AnalysisOptions.model_fields
            kind = InvalidOption if is_option else InvalidRequest
            raise kind(f"`{where}`: {fault['msg']}.") from error


_Describe = Callable[[FileFetch | DirectUpload, UploadPipe], IncomingUpload]


class JsonSubmissions:
    """Accepts videos that JSON documents name."""

    def __init__(
        self,
        *,
        receiver: UploadReceiver,
        submissions: Submissions,
        client: OutboundClient,
        uploads: DirectUploadService,
        max_bytes: int,
        timeout_s: float,
    ) -> None:
        """Prepare to accept.

        Args:
            receiver: Stores files while they arrive.
            submissions: Knows what was accepted before.
            client: Fetches from URLs that are allowed.
            uploads: Has what clients sent straight to the store.
            max_bytes: Files may be as large as this.
            timeout_s: Fetching one may take so long.
        """
        self._receiver = receiver
        self._submissions = submissions
        self._client = client
        self._uploads = uploads
        self._max_bytes = max_bytes
        self._timeout_s = timeout_s

    async def receive(
        self, body: bytes, *, caller: Caller, idempotency_key: str | None
    ) -> Accepted:
        """Accept the video that a request body names.

        Raises:
            InvalidRequest: The body is no such document.
            UnmaskError: The video is refused; nothing of it is kept.
        """
        wanted = VideoSubmission.parse(body)
        if wanted.upload_id is not None:
            # No header can hold a space, so no client's own key is taken for this one.
            idempotency_key = idempotency_key or f"upload {wanted.upload_id}"
        binding = IdempotencyKeys.name(idempotency_key, caller.key_id)
        return await self.accept(wanted, caller=caller, binding=binding)

    async def accept(
        self,
        wanted: VideoSubmission,
        *,
        caller: Caller,
        binding: str | None,
        batch: str | None = None,
    ) -> Accepted:
        """Accept the video that a document names, or return the one that it brought before.

        Args:
            wanted: The document.
            caller: Who wants it.
            binding: Object key under which it is kept what the request stands for.
            batch: Id of the batch that it is part of.

        Raises:
            UnmaskError: The video is refused; nothing of it is kept.
        """
        options = wanted.options
        earlier = await to_thread.run_sync(
            self._submissions.find_earlier,
            binding,
            fingerprint_of(wanted.origin, options, webhook_url=wanted.webhook_url),
        )
        if earlier is not None:
            return earlier

        def described(file: FileFetch | DirectUpload, pipe: UploadPipe) -> IncomingUpload:
            return IncomingUpload(
                filename=file.filename,
                content_type=file.content_type,
                stream=pipe,
                options=lambda: options,
                caller=caller,
                expected_bytes=file.bytes if isinstance(file, DirectUpload) else 1,
                binding=binding,
                batch=batch,
                origin=wanted.origin,
                webhook_url=lambda: wanted.webhook_url,
            )

        if wanted.upload_id is not None:
            return await self._use_upload(wanted.upload_id, caller, described)
        return await self._fetch(wanted.source_url or "", caller, described)

    async def _fetch(self, url: str, caller: Caller, described: _Describe) -> Accepted:
        fetch = FileFetch(
            url, client=self._client, max_bytes=self._max_bytes, timeout_s=self._timeout_s
        )
        return await self._receiver.receive_file(
            fetch.chunks(), lambda pipe: described(fetch, pipe), owner=caller.key_id
        )

    async def _use_upload(self, upload_id: str, caller: Caller, described: _Describe) -> Accepted:
        upload = await to_thread.run_sync(
            lambda: self._uploads.find(upload_id, caller.key_id, sees_all=caller.sees_all)
        )
        accepted = await self._receiver.receive_file(
            self._uploads.chunks(upload),
            lambda pipe: described(upload, pipe),
            owner=caller.key_id,
        )
        try:
            await to_thread.run_sync(self._uploads.erase, upload_id)
        except UnmaskError as error:
            log.warning("an upload that was used is erased later: %s", error.detail)
        return accepted


def describe_json_body() -> dict[str, Any]:
    """The body for the API's description, as the value of `application/json`."""
    return {"schema": VideoSubmission.model_json_schema()}


def describe_webhook_field() -> dict[str, Any]:
    """The field of a form that has the same meaning."""
    described = VideoSubmission.model_json_schema()["properties"]["webhook_url"]
    # A form has no null: a field is left out.
    of_text, _ = described.pop("anyOf")
    return {WEBHOOK_FIELD: described | of_text}
