"""Figures for Prometheus."""

from typing import Final

from fastapi import APIRouter, Response
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4

from unmask_gateway.access.gate import MetricsReader
from unmask_gateway.problems import document_errors
from unmask_shared.errors import UnmaskError

_EXAMPLE: Final = """\
# HELP unmask_queue_messages Messages that no worker has taken yet.
# TYPE unmask_queue_messages gauge
unmask_queue_messages{queue="preprocessor"} 3.0
"""


def make_metrics_router(registry: CollectorRegistry) -> APIRouter:
    """Make `/metrics`."""
    router = APIRouter(tags=["health"])

    @router.get(
        "/metrics",
        summary="Figures for Prometheus",
        response_class=Response,
        responses={
            200: {"content": {"text/plain": {"schema": {"type": "string"}, "example": _EXAMPLE}}},
            **document_errors(UnmaskError),
        },
    )
    def get_metrics(_: MetricsReader) -> Response:
        """Prometheus' text format. Needs a key with the scope `metrics` where keys are asked for.

        Requests are those of this gateway process; everything else is the same in every gateway.
        """
        return Response(
            generate_latest(registry),
            media_type=CONTENT_TYPE_PLAIN_0_0_4,
            headers={"Cache-Control": "no-store"},
        )

    return router
