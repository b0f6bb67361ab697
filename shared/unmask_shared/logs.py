"""Log lines with structure: who, what, and of which video."""

import json
import logging
import sys
import time

from unmask_shared.settings import LogSettings
from unmask_shared.subject import subject
from unmask_shared.tracing import trace_id

_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "color_message"}


class _Formatter(logging.Formatter):
    def __init__(self, service: str, *, as_json: bool) -> None:
        super().__init__()
        self._service = service
        self._json = as_json

    def format(self, record: logging.LogRecord) -> str:
        extra = {k: v for k, v in vars(record).items() if k not in _STANDARD and k != "data"}
        extra = {**subject(), **extra}
        if found := trace_id():
            extra["trace_id"] = found
        error = self.formatException(record.exc_info) if record.exc_info else None
        if self._json:
            entry = {
                "time": time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
                + f".{int(record.msecs):03d}Z",
                "level": record.levelname.lower(),
                "service": self._service,
                "logger": record.name,
                "message": record.getMessage(),
                **extra,
            }
            return json.dumps(entry | ({"error": error} if error else {}), default=str)
        stamp = time.strftime("%H:%M:%S", time.localtime(record.created))
        fields = "".join(f" {k}={v}" for k, v in extra.items())
        line = f"{stamp} {self._service:<12} {record.levelname:<7} {record.getMessage()}{fields}"
        return _shown(f"{line}\n{error}" if error else line)


def _shown(text: str) -> str:
    """What can neither command a terminal nor be taken for entries of their own."""
    lines = text.splitlines() or [""]
    plain = ("".join(c if c.isprintable() else ascii(c)[1:-1] for c in line) for line in lines)
    return "\n    ".join(plain)


def configure_logging(service: str, settings: LogSettings) -> None:
    """Send every log line of this process to standard error.

    Args:
        service: Name that stands in each line.
        settings: Format, and the lowest level of our own lines; libraries are heard from WARNING
            on.
    """
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Formatter(service, as_json=settings.log_format == "json"))
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    logging.captureWarnings(capture=True)  # or libraries would write lines of their own
    for ours in ("unmask_shared", "unmask_" + service):
        logging.getLogger(ours).setLevel(settings.log_level)
