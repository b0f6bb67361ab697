"""Whether the gateway lives, and whether all that it depends on does."""

from collections.abc import Sequence

from fastapi import APIRouter, Response, status
from pydantic import BaseModel, ConfigDict

from unmask_gateway.problems import document_errors
from unmask_gateway.readiness import Probe, Readiness, check_readiness
from unmask_shared.errors import UnmaskError


class Health(BaseModel):
    """The process answers."""

    model_config = ConfigDict(frozen=True, json_schema_extra={"example": {"status": "alive"}})

    status: str = "alive"


def make_health_router(probes: Sequence[Probe]) -> APIRouter:
    """Make `/healthz` and `/readyz`."""
    router = APIRouter(tags=["health"])

    @router.get("/healthz", summary="Liveness", responses=document_errors(UnmaskError))
    async def healthz() -> Health:
        """Answers as long as the process lives, whatever else is down."""
        return Health()

    @router.get(
        "/readyz",
        summary="Readiness",
        responses={
            503: {"model": Readiness, "description": "Something is down; `checks` tells what."},
            **document_errors(UnmaskError),
        },
    )
    async def readyz(response: Response) -> Readiness:
        """Tells which of object store, Redis and workers is down; answers within seconds."""
        readiness = await check_readiness(probes)
        response.headers["Cache-Control"] = "no-store"
        if not readiness.ready:
            response.status_code = status.HTTP_503_SERVICE_UNAVAILABLE
        return readiness

    return router
