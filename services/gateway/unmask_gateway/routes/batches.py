"""Many videos at once."""

import re
from typing import Annotated, Any, Final

from anyio import to_thread
from fastapi import APIRouter, Depends, Path, Query, Request, Response, status
from pydantic import JsonValue

from unmask_gateway.access.errors import TooManyOpenBatches
from unmask_gateway.access.gate import CurrentCaller, admit_upload
from unmask_gateway.batches.building import Batching
from unmask_gateway.batches.documents import MAX_ITEMS, BatchSubmission, describe_batch_body
from unmask_gateway.batches.listing import BatchPage
from unmask_gateway.batches.view import BATCH_EXAMPLE, BatchInfo
from unmask_gateway.bodies import is_json
from unmask_gateway.problems import document_errors
from unmask_gateway.routes.parameters import UUID7, IdempotencyKey
from unmask_gateway.routes.polling import RETRY_AFTER, tell_pollers
from unmask_shared.errors import (
    BatchNotFound,
    DamagedDocument,
    IdempotencyKeyReused,
    IdempotencyKeySpent,
    InvalidOption,
    InvalidRequest,
    JobStoreUnavailable,
    MalformedBatchId,
    ObjectStoreUnavailable,
    SourceUrlRefused,
    UnmaskError,
    UnsupportedContentType,
    WebhooksOff,
)

_HEADERS: Final[dict[str, Any]] = RETRY_AFTER | {
    "Location": {"description": "Path of the batch.", "schema": {"type": "string"}},
    "Idempotency-Replayed": {
        "description": "`true` if the Idempotency-Key came before, and this is its batch as it "
        "stands now; absent for a new batch.",
        "schema": {"type": "string", "enum": ["true"]},
    },
}
_TOLD: Final[dict[str, JsonValue]] = {"pattern": f"^{UUID7}$"}
_EXAMPLE: Final = {"content": {"application/json": {"example": BATCH_EXAMPLE}}}
_DOWN: Final = (ObjectStoreUnavailable, JobStoreUnavailable, DamagedDocument, UnmaskError)


async def parse_batch_id(
    batch_id: Annotated[
        str,
        Path(
            description="The id that POST /batches returned.",
            examples=[BATCH_EXAMPLE["id"]],
            json_schema_extra=_TOLD,
        ),
    ],
) -> str:
    """Refuse what can never be the id of a batch.

    Raises:
        MalformedBatchId: It is not a UUIDv7 in its canonical form.
    """
    if not re.fullmatch(UUID7, batch_id, re.ASCII):
        raise MalformedBatchId(f"{batch_id[:64]!r} is not a UUID of version 7 in lower case.")
    return batch_id


BatchId = Annotated[str, Depends(parse_batch_id)]


def make_batches_router(batching: Batching) -> APIRouter:
    """Make the routes under `/batches`."""
    batches, view, runner = batching.batches, batching.view, batching.runner
    router = APIRouter(prefix="/batches", tags=["batches"])

    @router.post(
        "",
        status_code=status.HTTP_202_ACCEPTED,
        dependencies=[Depends(admit_upload)],
        summary="Submit many videos",
        response_description="The batch was accepted, and its items will be, one after the other.",
        responses={
            202: {"headers": _HEADERS, **_EXAMPLE},
            **document_errors(
                UnsupportedContentType,
                InvalidRequest,
                InvalidOption,
                SourceUrlRefused,
                WebhooksOff,
                IdempotencyKeyReused,
                IdempotencyKeySpent,
                TooManyOpenBatches,
                *_DOWN,
            ),
        },
        openapi_extra={
            "requestBody": {
                "required": True,
                "content": {"application/json": describe_batch_body()},
            }
        },
    )
    async def submit_batch(
        request: Request,
        response: Response,
        caller: CurrentCaller,
        idempotency_key: IdempotencyKey = None,
    ) -> BatchInfo:
        """Name up to 200 videos by `source_url` or `upload_id`, each with its options.

        The answer comes at once; the items are fetched and accepted afterwards, whatever becomes of
        the gateway, and each ends as a video or as a problem, which GET /batches/{batch_id} tells.
        Videos of batches wait until no others do. A key that has as many unfinished videos as it
        may have is not refused: its batches go on as soon as some are finished. Only so many of its
        batches may have items that wait.
        """
        if not is_json(request.headers.get("content-type")):
            raise UnsupportedContentType("A batch is sent as application/json.")
        wanted = BatchSubmission.parse(await request.body())

        def begin() -> tuple[BatchInfo, bool]:
            batch, is_replay = batches.begin(wanted, caller=caller, idempotency_key=idempotency_key)
            return view.describe(batch), is_replay

        info, is_replay = await to_thread.run_sync(begin)
        runner.wake()
        response.headers["Location"] = f"/batches/{info.id}"
        if is_replay:
            response.headers["Idempotency-Replayed"] = "true"
        tell_pollers(response, again=not info.is_ended)
        return info

    @router.get(
        "",
        summary="List batches",
        responses=document_errors(InvalidRequest, ObjectStoreUnavailable, UnmaskError),
    )
    def list_batches(
        response: Response,
        caller: CurrentCaller,
        limit: Annotated[int, Query(ge=1, le=100, description="Most batches of a page.")] = 20,
        cursor: Annotated[
            str | None,
            Query(pattern=f"^{UUID7}$", description="`next_cursor` of the page before."),
        ] = None,
    ) -> BatchPage:
        """Newest first, in pages; with API keys, only what was sent in with the same key."""
        response.headers["Cache-Control"] = "no-store"
        return batching.listing.page(caller, limit=limit, before=cursor)

    @router.get(
        "/{batch_id}",
        summary="Ask what became of a batch",
        responses={
            200: {"headers": RETRY_AFTER, **_EXAMPLE},
            **document_errors(BatchNotFound, MalformedBatchId, InvalidRequest, *_DOWN),
        },
    )
    def get_batch(
        batch_id: BatchId,
        response: Response,
        caller: CurrentCaller,
        limit: Annotated[int, Query(ge=1, le=100, description="Most items of a page.")] = 100,
        cursor: Annotated[
            int, Query(ge=0, lt=MAX_ITEMS, description="`next_cursor` of the page before.")
        ] = 0,
    ) -> BatchInfo:
        """How many of its items stand where, and the items themselves, in pages."""
        info = view.describe(batches.find(batch_id, caller), first=cursor, limit=limit)
        tell_pollers(response, again=not info.is_ended)
        return info

    @router.post(
        "/{batch_id}/cancel",
        summary="Cancel a batch",
        responses={200: _EXAMPLE, **document_errors(BatchNotFound, MalformedBatchId, *_DOWN)},
    )
    def cancel_batch(batch_id: BatchId, response: Response, caller: CurrentCaller) -> BatchInfo:
        """Accept no more of its items, and cancel those of its videos that have not ended."""
        batch = batches.find(batch_id, caller)
        batches.cancel(batch)
        response.headers["Cache-Control"] = "no-store"
        return view.describe(batch)

    @router.delete(
        "/{batch_id}",
        status_code=status.HTTP_204_NO_CONTENT,
        summary="Erase a batch with all of its videos",
        response_description="Nothing of the batch is left.",
        responses=document_errors(BatchNotFound, MalformedBatchId, *_DOWN),
    )
    def delete_batch(batch_id: BatchId, caller: CurrentCaller) -> None:
        """An answer with status 503 means that not all is erased yet: ask again."""
        batches.erase(batches.find(batch_id, caller))

    return router
