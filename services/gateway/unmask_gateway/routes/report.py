"""The report on a video."""

from fastapi import APIRouter, Response
from fastapi.responses import HTMLResponse

from unmask_gateway.lookup import VideoLookup
from unmask_gateway.problems import document_errors
from unmask_gateway.report import ReportMaker
from unmask_gateway.routes.parameters import VideoId
from unmask_shared.errors import (
    MalformedVideoId,
    NothingToReport,
    ObjectStoreUnavailable,
    UnmaskError,
    VideoNotFound,
)


def make_report_router(*, lookup: VideoLookup, reports: ReportMaker) -> APIRouter:
    """Make `GET /videos/{video_id}/report`."""
    router = APIRouter(prefix="/videos", tags=["videos"])

    @router.get(
        "/{video_id}/report",
        summary="Report to keep or print",
        response_class=HTMLResponse,
        response_description="One HTML file that loads nothing else and runs no script.",
        responses=document_errors(
            VideoNotFound, MalformedVideoId, NothingToReport, ObjectStoreUnavailable, UnmaskError
        ),
    )
    def get_report(video_id: VideoId) -> Response:
        """The verdict in plain words, each face over time, what the model is known to miss.

        It stands alone: pictures are part of it, so it can be saved, printed and handed on.
        """
        state = lookup.find(video_id)
        if state.result is None:
            raise NothingToReport(f"The video {video_id} is {state.status}, not completed.")
        return HTMLResponse(
            reports.make(state, state.result),
            headers={
                "Cache-Control": "no-store",
                "Content-Security-Policy": f"{reports.content_policy}; frame-ancestors 'none'",
                "Content-Disposition": f'inline; filename="unmask-{video_id}.html"',
            },
        )

    return router
