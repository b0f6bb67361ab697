"""Everything that can be done with videos that were sent in."""

from fastapi import APIRouter

from unmask_gateway.lookup import VideoLookup
from unmask_gateway.playback import Playback
from unmask_gateway.report import ReportMaker
from unmask_gateway.routes.endings import make_endings_router
from unmask_gateway.routes.events import make_events_router
from unmask_gateway.routes.listing import make_listing_router
from unmask_gateway.routes.playback import make_playback_router
from unmask_gateway.routes.report import make_report_router
from unmask_gateway.routes.source import SourceAnswers, make_source_router
from unmask_gateway.watching import VideoWatcher
from unmask_shared.job_store import RedisJobStore
from unmask_shared.object_store import ObjectStore


def make_management_router(
    *,
    store: ObjectStore,
    jobs: RedisJobStore,
    lookup: VideoLookup,
    watcher: VideoWatcher,
    reports: ReportMaker,
    sources: SourceAnswers,
    playback: Playback,
) -> APIRouter:
    """Make the routes that list, follow, show and end videos."""
    router = APIRouter()
    router.include_router(make_listing_router(jobs))
    router.include_router(make_events_router(lookup=lookup, watcher=watcher))
    router.include_router(make_endings_router(store=store, jobs=jobs, lookup=lookup))
    router.include_router(make_source_router(sources))
    router.include_router(make_playback_router(playback=playback, lookup=lookup))
    router.include_router(make_report_router(lookup=lookup, reports=reports))
    return router
