"""Builds the application from the environment, for any ASGI server.

For example `uvicorn --factory unmask_gateway.asgi:make_app_from_environment`.
"""

from fastapi import FastAPI

from unmask_gateway.access.settings import AccessSettings
from unmask_gateway.app import make_app
from unmask_gateway.outbound.settings import SourceUrlSettings
from unmask_gateway.settings import GatewaySettings
from unmask_gateway.webhooks.settings import WebhookSettings
from unmask_shared.broker import make_celery
from unmask_shared.job_store import make_job_store
from unmask_shared.object_store import make_object_store
from unmask_shared.object_store.direct import make_direct_uploads
from unmask_shared.settings import JobSettings, StoreSettings
from unmask_shared.tracing import start_tracing


def make_app_from_environment(settings: GatewaySettings | None = None) -> FastAPI:
    """Build the application with everything that `UNMASK_...` variables name.

    A server that is told its address otherwise than by UNMASK_HOST should set UNMASK_ACCESS=keys.

    Raises:
        OpenAccessRefused: It would listen for strangers without asking for keys.
    """
    start_tracing("gateway")
    settings = settings or GatewaySettings()
    access = AccessSettings()
    access.policy.check_address(settings.host)
    job_settings, store_settings = JobSettings(), StoreSettings()
    return make_app(
        store=make_object_store(store_settings),
        jobs=make_job_store(job_settings),
        celery=make_celery(job_settings),
        settings=settings,
        job_settings=job_settings,
        access=access,
        source_urls=SourceUrlSettings(),
        direct=make_direct_uploads(store_settings),
        webhook_settings=WebhookSettings(),
    )
