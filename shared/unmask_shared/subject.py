"""What the work at hand is about, for everything that is told of it: log lines and traces."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from types import MappingProxyType
from typing import Final

_NOTHING: Final[Mapping[str, object]] = MappingProxyType({})
_subject: Final[ContextVar[Mapping[str, object]]] = ContextVar("subject", default=_NOTHING)


def subject() -> Mapping[str, object]:
    """Names and values, such as `video_id`, `stage` and `attempt`."""
    return _subject.get()


@contextmanager
def about(**what: object) -> Iterator[None]:
    """Add to the subject while the body runs, in this thread and in tasks that it starts."""
    token = _subject.set({**_subject.get(), **what})
    try:
        yield
    finally:
        _subject.reset(token)


def mention(**what: object) -> None:
    """Add to the subject until the end of the `about` that this is called in."""
    _subject.set({**_subject.get(), **what})
