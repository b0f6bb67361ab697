"""What FastAPI tells of requests, if they are traced: spans, and nothing else."""

from typing import Final

from fastapi.telemetry import TelemetryConfig
from starlette.types import Scope

from unmask_shared.tracing import tracer_provider

# Asked for by machines, all the time.
_QUIET: Final = ("/healthz", "/readyz", "/metrics", "/static/")


def telemetry() -> TelemetryConfig:
    """The setting of the application; call it after tracing was started."""
    provider = tracer_provider()
    return {
        "tracing": provider is not None,
        "tracer_provider": provider,
        "exclude": _is_quiet,
        "operation_spans": False,
        # Metrics are told to Prometheus. Logs would have the texts of errors, which name files.
        "metrics": False,
        "logs": False,
        "auto_configure": False,
    }


def _is_quiet(scope: Scope) -> bool:
    path: str = scope.get("path", "")
    return path.startswith(_QUIET)
