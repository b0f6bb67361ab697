"""Puts the HTTP application together from its parts."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from importlib.metadata import version

from anyio import to_thread
from celery import Celery
from fastapi import Depends, FastAPI
from prometheus_client import CollectorRegistry

from unmask_gateway.abandoned import erase_abandoned
from unmask_gateway.access.api_description import UPLOAD_REFUSALS, describe_access
from unmask_gateway.access.building import make_gate
from unmask_gateway.access.gate import admit, admit_upload
from unmask_gateway.access.key_store import KeyStore
from unmask_gateway.access.quotas import Quotas
from unmask_gateway.access.settings import AccessSettings
from unmask_gateway.access.this_machine import ThisMachineOnly
from unmask_gateway.api_description import describe_operations, operation_id
from unmask_gateway.background import running_in_background
from unmask_gateway.batches.batches import Batches
from unmask_gateway.batches.building import make_batching
from unmask_gateway.bodies import SmallBodies, describe_bodies
from unmask_gateway.direct_uploads import DirectUploadService
from unmask_gateway.housekeeping import Chore, Housekeeper
from unmask_gateway.idempotency import IdempotencyKeys
from unmask_gateway.json_submissions import JsonSubmissions
from unmask_gateway.lookup import VideoLookup
from unmask_gateway.metrics.pipeline import PipelineMetrics
from unmask_gateway.metrics.requests import CountRequests, RequestMetrics
from unmask_gateway.middleware import LingeringClose, RateLimitHeaders, SecurityHeaders
from unmask_gateway.model_catalogue import ModelCatalogue
from unmask_gateway.model_choice import ModelChoice
from unmask_gateway.outbound.client import OutboundClient
from unmask_gateway.outbound.settings import SourceUrlSettings
from unmask_gateway.playback import Playback
from unmask_gateway.problems import (
    describe_problem_schema,
    document_errors,
    install_problem_handlers,
)
from unmask_gateway.quick_answers import QuickAnswers
from unmask_gateway.readiness import make_probes
from unmask_gateway.reanalysis import Reanalysis
from unmask_gateway.report import ReportMaker
from unmask_gateway.routes.analyses import make_analyses_router
from unmask_gateway.routes.batches import make_batches_router
from unmask_gateway.routes.health import make_health_router
from unmask_gateway.routes.keys import make_keys_router
from unmask_gateway.routes.management import make_management_router
from unmask_gateway.routes.metrics import make_metrics_router
from unmask_gateway.routes.models import make_models_router
from unmask_gateway.routes.pages import make_pages_router, make_static_files
from unmask_gateway.routes.playback import make_playing_router
from unmask_gateway.routes.source import SourceAnswers
from unmask_gateway.routes.submissions import make_submissions_router
from unmask_gateway.routes.uploads import make_uploads_router
from unmask_gateway.routes.videos import make_videos_router
from unmask_gateway.routes.webhooks import make_webhooks_router
from unmask_gateway.settings import GatewaySettings
from unmask_gateway.submissions import Submissions
from unmask_gateway.telemetry import telemetry
from unmask_gateway.uploads import UploadReceiver
from unmask_gateway.video_answers import VideoAnswers
from unmask_gateway.watching import VideoWatcher
from unmask_gateway.webhooks.dispatcher import make_dispatcher
from unmask_gateway.webhooks.settings import WebhookSettings
from unmask_gateway.webhooks.targets import WebhookTargets
from unmask_shared.job_store import RedisJobStore
from unmask_shared.job_store.revisions import make_revisions
from unmask_shared.model_registry import ModelRegistry
from unmask_shared.object_store import ObjectStore
from unmask_shared.object_store.direct import DirectUploads
from unmask_shared.settings import JobSettings
from unmask_shared.sweeper import Sweeper
from unmask_shared.tracing import stop_tracing

_DESCRIPTION = """\
Tells whether faces in a video were forged.

Send a video with `POST /videos`, then poll `GET /videos/{video_id}` until its status is final,
or follow it with `GET /videos/{video_id}/events`.
Every error is an [RFC 9457](https://www.rfc-editor.org/rfc/rfc9457) problem document with a
stable `code` and an `action` that says what to do.
"""


def make_app(
    *,
    store: ObjectStore,
    jobs: RedisJobStore,
    celery: Celery,
    settings: GatewaySettings,
    job_settings: JobSettings,
    access: AccessSettings,
    source_urls: SourceUrlSettings,
    direct: DirectUploads | None,
    webhook_settings: WebhookSettings,
) -> FastAPI:
    """Build the application; nothing is contacted before it starts.

    Args:
        store: Where videos are kept.
        jobs: Their live views.
        celery: Sends videos to the workers.
        settings: Limits of the gateway.
        job_settings: Timing that the sweeper goes by.
        access: Who may do what, and how often.
        source_urls: Which URLs files are fetched from.
        direct: Lets clients send files straight to the store, where they reach it.
        webhook_settings: Whom outcomes are sent to, and the secret that signs them.
    """
    registry = ModelRegistry(store)
    choice = ModelChoice(registry)
    catalogue = ModelCatalogue(registry)
    lookup = VideoLookup(store=store, jobs=jobs)
    quotas = Quotas(jobs, access.limits)
    targets = WebhookTargets(store, webhook_settings)
    submissions = Submissions(
        store=store,
        jobs=jobs,
        celery=celery,
        models=choice,
        webhooks=targets,
        quotas=quotas,
    )
    receiver = UploadReceiver(submissions.keep, settings)
    uploads = DirectUploadService(
        store=store,
        direct=direct,
        ttl=timedelta(hours=settings.direct_upload_ttl_h),
        part_bytes=settings.direct_upload_part_bytes,
    )
    json_submissions = JsonSubmissions(
        receiver=receiver,
        submissions=submissions,
        client=OutboundClient(source_urls, idle_timeout_s=source_urls.idle_timeout_s),
        uploads=uploads,
        max_bytes=settings.max_upload_bytes,
        timeout_s=source_urls.timeout_s,
    )
    batching = make_batching(
        store=store,
        jobs=jobs,
        lookup=lookup,
        webhooks=targets,
        submissions=submissions,
        json_submissions=json_submissions,
        limits=access.limits,
    )
    retention = timedelta(days=settings.retention_days) if settings.retention_days else None
    housekeeper = Housekeeper(
        jobs, _chores(store, uploads, batching.batches, settings, retention=retention)
    )
    webhooks = make_dispatcher(
        store=store,
        jobs=jobs,
        lookup=lookup,
        settings=webhook_settings,
        look_at_batch=batching.view.how_it_ended,
    )
    revisions = make_revisions(job_settings)
    answers = VideoAnswers(lookup=lookup, revisions=revisions)
    watcher = VideoWatcher(jobs=jobs, lookup=lookup, most=settings.max_event_streams)
    sweeper = Sweeper(
        store=store,
        jobs=jobs,
        celery=celery,
        settings=job_settings,
        retention=retention,
        remains_patience_s=settings.remains_patience_s,
    )

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        with running_in_background(
            store=store,
            submissions=submissions,
            sweeper=sweeper,
            housekeeper=housekeeper,
            webhooks=webhooks,
        ):
            working = asyncio.create_task(batching.runner.run())
            yield
            working.cancel()
            # The server has broken off what was still arriving; the threads die with the process.
            await receiver.wait_for_cleanup()
            await revisions.close()
            await to_thread.run_sync(stop_tracing)

    app = FastAPI(
        title="Unmask",
        version=version("unmask-gateway"),
        description=_DESCRIPTION,
        lifespan=lifespan,
        # Their pages load scripts from another host, which our content policy forbids.
        docs_url=None,
        redoc_url=None,
        # They would name the host that the request claims to be for.
        redirect_slashes=False,
        telemetry=telemetry(),
        generate_unique_id_function=operation_id,
    )
    app.state.end_streams = watcher.close
    keys = KeyStore(store)
    app.state.gate = gate = make_gate(
        store=store, jobs=jobs, keys=keys, settings=access, job_settings=job_settings
    )
    install_problem_handlers(app)
    _complete_description(app, is_open=gate.is_open)
    metrics = CollectorRegistry()
    metrics.register(PipelineMetrics(jobs))
    _enclose(
        app,
        body_timeout_s=settings.request_body_timeout_s,
        answers=answers if gate.is_open else None,
        this_machine_only=gate.is_open and not access.policy.allow_open_access,
        metrics=RequestMetrics(metrics),
    )
    sources, playback = SourceAnswers(store=store, lookup=lookup), Playback(jobs, gate)
    # Every router but those of health, pages and players, whose callers need no key.
    guarded = [Depends(admit)]
    app.include_router(
        make_submissions_router(
            receiver=receiver,
            json_submissions=json_submissions,
            submissions=submissions,
            lookup=lookup,
        ),
        dependencies=[*guarded, Depends(admit_upload)],
        responses=document_errors(*UPLOAD_REFUSALS),
    )
    app.include_router(
        make_uploads_router(uploads=uploads, max_bytes=settings.max_upload_bytes, quotas=quotas),
        dependencies=[*guarded, Depends(admit_upload)],
        responses=document_errors(*UPLOAD_REFUSALS),
    )
    app.include_router(make_batches_router(batching), dependencies=guarded)
    app.include_router(
        make_videos_router(lookup=lookup, answers=answers),
        dependencies=guarded,
    )
    app.include_router(make_webhooks_router(store=store, lookup=lookup), dependencies=guarded)
    app.include_router(
        make_management_router(
            store=store,
            jobs=jobs,
            lookup=lookup,
            watcher=watcher,
            reports=ReportMaker(store=store, models=catalogue),
            sources=sources,
            playback=playback,
        ),
        dependencies=guarded,
    )
    app.include_router(
        make_analyses_router(
            lookup=lookup,
            reanalysis=Reanalysis(
                store=store, models=choice, submissions=submissions, quotas=quotas
            ),
            submissions=submissions,
        ),
        dependencies=[*guarded, Depends(admit_upload)],
        responses=document_errors(*UPLOAD_REFUSALS),
    )
    app.include_router(
        make_models_router(registry=registry, catalogue=catalogue, choice=choice),
        dependencies=guarded,
    )
    app.include_router(make_keys_router(keys), dependencies=guarded)
    for router in (
        make_playing_router(playback=playback, answers=sources),
        make_metrics_router(metrics),
        make_health_router(make_probes(store, jobs)),
        make_pages_router(
            max_upload_bytes=settings.max_upload_bytes, asks_for_key=not gate.is_open
        ),
    ):
        app.include_router(router)
    app.mount("/static", make_static_files(), name="static")
    return app


def _enclose(
    app: FastAPI,
    *,
    body_timeout_s: float,
    answers: VideoAnswers | None,
    this_machine_only: bool,
    metrics: RequestMetrics,
) -> None:
    """Add what happens to every request; each encloses those before it."""
    app.add_middleware(SmallBodies, timeout_s=body_timeout_s)
    if answers is not None:
        app.add_middleware(QuickAnswers, answers=answers)
    # Who may not ask at all gets no quick answer either, but is let go as gently as others.
    if this_machine_only:
        app.add_middleware(ThisMachineOnly)
    app.add_middleware(LingeringClose)
    app.add_middleware(RateLimitHeaders)
    app.add_middleware(SecurityHeaders)
    app.add_middleware(CountRequests, metrics=metrics)


def _complete_description(app: FastAPI, *, is_open: bool) -> None:
    describe_problem_schema(app)
    describe_access(app, is_open=is_open)
    describe_bodies(app)
    describe_operations(app)


def _chores(
    store: ObjectStore,
    uploads: DirectUploadService,
    batches: Batches,
    settings: GatewaySettings,
    *,
    retention: timedelta | None,
) -> list[Chore]:
    keys, ttl = IdempotencyKeys(store), timedelta(hours=settings.idempotency_ttl_h)
    works: dict[str, Callable[[], int]] = {
        "expired idempotency keys": lambda: (
            keys.erase_expired(ttl) + batches.erase_expired_keys(ttl)
        ),
        "expired uploads": uploads.erase_expired,
    }
    if retention is not None:
        works["expired batches"] = lambda: batches.erase_older_than(retention)
    abandoned_after = timedelta(seconds=settings.abandoned_after_s)
    return [
        *(Chore(name=name, every_s=600, work=work) for name, work in works.items()),
        Chore(
            name="abandoned writes",
            every_s=min(600.0, settings.abandoned_after_s),
            work=lambda: erase_abandoned(store, abandoned_after),
        ),
    ]
