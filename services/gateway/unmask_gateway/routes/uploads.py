"""Uploads that go straight to the object store."""

from datetime import datetime
from typing import Annotated, Any, Final, Self

from fastapi import APIRouter, Path, Response, status
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from unmask_gateway.access.caller import Caller
from unmask_gateway.access.gate import CurrentCaller
from unmask_gateway.access.quotas import Quotas
from unmask_gateway.direct_uploads import (
    UPLOAD_ID_PATTERN,
    DirectUpload,
    DirectUploadService,
    ExpectedPart,
)
from unmask_gateway.forms import clean_content_type, clean_filename
from unmask_gateway.problems import document_errors
from unmask_gateway.schemas import EXAMPLE_ID
from unmask_shared.errors import (
    DirectUploadsOff,
    InvalidRequest,
    ObjectStoreUnavailable,
    UnmaskError,
    UploadNotFound,
    UploadTooLarge,
)

_EXAMPLE: Final[dict[str, Any]] = {
    "id": EXAMPLE_ID,
    "expires_at": "2026-05-05T09:30:00Z",
    "filename": "clip.mp4",
    "bytes": 100_000_000,
    "complete": False,
    "parts": [
        {
            "number": 1,
            "first_byte": 0,
            "bytes": 67_108_864,
            "stored": True,
            "url": f"https://objects.example.com/unmask/uploads/{EXAMPLE_ID}/file?partNumber=1&...",
        },
        {
            "number": 2,
            "first_byte": 67_108_864,
            "bytes": 32_891_136,
            "stored": False,
            "url": f"https://objects.example.com/unmask/uploads/{EXAMPLE_ID}/file?partNumber=2&...",
        },
    ],
}


def _as_number(value: object) -> object:
    # Pydantic alone would read digits from a text.
    if isinstance(value, bool | str):
        raise ValueError("is no number")  # noqa: TRY004 - Pydantic takes this one
    return value


class UploadRequest(BaseModel):
    """A file that a client wants to send."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        json_schema_extra={
            "example": {
                "bytes": 100_000_000,
                "filename": "clip.mp4",
                "content_type": "video/mp4",
            }
        },
    )

    bytes: Annotated[
        int,
        Field(gt=0, description="Size of the file.", examples=[100_000_000]),
        BeforeValidator(_as_number),  # behind the field, or its limits are not described
    ]
    filename: Annotated[str, Field(max_length=1024, examples=["clip.mp4"])] = ""
    content_type: Annotated[str, Field(max_length=127, examples=["video/mp4"])] = ""


class PartOfUpload(BaseModel):
    """A piece of the file, to be sent by one PUT request."""

    model_config = ConfigDict(frozen=True, from_attributes=True)

    number: Annotated[int, Field(ge=1)]
    first_byte: Annotated[int, Field(ge=0, description="Where it begins in the file.")]
    bytes: Annotated[int, Field(gt=0, description="The store takes exactly so many.")]
    stored: Annotated[bool, Field(description="Whether it has arrived.")]
    url: Annotated[str, Field(description="PUT the bytes here, within the hour; then ask anew.")]


class Upload(BaseModel):
    """A file on its way into the object store."""

    model_config = ConfigDict(frozen=True, json_schema_extra={"examples": [_EXAMPLE]})

    id: Annotated[str, Field(description="The `upload_id` for POST /videos.")]
    expires_at: Annotated[datetime, Field(description="What is not a video by then is erased.")]
    filename: str
    bytes: int
    complete: Annotated[bool, Field(description="Whether all parts have arrived.")]
    parts: list[PartOfUpload]

    @classmethod
    def of(cls, upload: DirectUpload, parts: list[ExpectedPart]) -> Self:
        """The upload with its parts."""
        return cls(
            id=upload.id,
            expires_at=upload.expires_at,
            filename=upload.filename,
            bytes=upload.bytes,
            complete=all(part.stored for part in parts),
            parts=[PartOfUpload.model_validate(part) for part in parts],
        )


UploadId = Annotated[
    str,
    Path(pattern=UPLOAD_ID_PATTERN, description="What POST /uploads gave.", examples=[EXAMPLE_ID]),
]


def make_uploads_router(
    *, uploads: DirectUploadService, max_bytes: int, quotas: Quotas
) -> APIRouter:
    """Make the routes under `/uploads`."""
    router = APIRouter(prefix="/uploads", tags=["uploads"])
    example: dict[str, Any] = {"content": {"application/json": {"example": _EXAMPLE}}}
    common = (InvalidRequest, DirectUploadsOff, ObjectStoreUnavailable, UnmaskError)

    @router.post(
        "",
        status_code=status.HTTP_201_CREATED,
        summary="Begin an upload to the object store",
        responses={201: example, **document_errors(UploadTooLarge, *common)},
    )
    def begin_upload(wanted: UploadRequest, response: Response, caller: CurrentCaller) -> Upload:
        """For large files, which can be sent part by part, and go on where they broke off.

        PUT each part to its URL, in any order, several at once, and again if it failed. Then POST
        /videos with the `upload_id`. Nobody needs a key for a URL, so keep them to yourself.
        """
        if wanted.bytes > max_bytes:
            raise UploadTooLarge(
                f"The file has {wanted.bytes} bytes; files of up to {max_bytes} bytes are taken."
            )
        quotas.check(caller, size=wanted.bytes)
        upload = uploads.begin(
            size=wanted.bytes,
            filename=clean_filename(wanted.filename),
            content_type=clean_content_type(wanted.content_type.encode()),
            owner=caller.key_id,
        )
        response.headers["Location"] = f"/uploads/{upload.id}"
        return show(upload, response)

    @router.get(
        "/{upload_id}",
        summary="Ask which parts have arrived",
        responses={200: example, **document_errors(UploadNotFound, *common)},
    )
    def get_upload(upload_id: UploadId, response: Response, caller: CurrentCaller) -> Upload:
        """Each part comes with a new URL."""
        return show(find(upload_id, caller), response)

    @router.delete(
        "/{upload_id}",
        status_code=status.HTTP_204_NO_CONTENT,
        summary="Give an upload up",
        responses=document_errors(UploadNotFound, *common),
    )
    def delete_upload(upload_id: UploadId, caller: CurrentCaller) -> None:
        """What has arrived is erased."""
        uploads.erase(find(upload_id, caller).id)

    def find(upload_id: str, caller: Caller) -> DirectUpload:
        return uploads.find(upload_id, caller.key_id, sees_all=caller.sees_all)

    def show(upload: DirectUpload, response: Response) -> Upload:
        response.headers["Cache-Control"] = "no-store"
        return Upload.of(upload, uploads.parts(upload))

    return router
