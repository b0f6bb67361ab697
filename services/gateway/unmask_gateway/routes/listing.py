"""Lists of videos."""

from typing import Annotated

from fastapi import APIRouter, Query, Response

from unmask_gateway.access.gate import CurrentCaller
from unmask_gateway.listing import VideoListQuery, VideoPage
from unmask_gateway.problems import document_errors
from unmask_shared.errors import InvalidCursor, InvalidRequest, JobStoreUnavailable, UnmaskError
from unmask_shared.job_store import RedisJobStore
from unmask_shared.sweeper import CATALOGUE_COMPLETE


def make_listing_router(jobs: RedisJobStore) -> APIRouter:
    """Make `GET /videos`."""
    router = APIRouter(prefix="/videos", tags=["videos"])

    @router.get(
        "",
        summary="List videos",
        responses=document_errors(InvalidRequest, InvalidCursor, JobStoreUnavailable, UnmaskError),
    )
    def list_videos(
        query: Annotated[VideoListQuery, Query()], caller: CurrentCaller, response: Response
    ) -> VideoPage:
        """Newest first, in pages; with API keys, only what was sent in with the same key.

        Follow `next_cursor` until it is null: where filters let little through, a page may be short
        or empty although others follow. Videos that come or go meanwhile move no other one.
        """
        page = jobs.catalogue.page(
            query.wanted,
            limit=query.limit,
            after=query.place,
            owner=None if caller.sees_all else caller.key_id,
        )
        response.headers["Cache-Control"] = "no-store"
        return VideoPage.of(page, complete=jobs.is_done(CATALOGUE_COMPLETE))

    return router
