"""Lists of videos, newest first, which the object store cannot give (ADR 0011).

A sorted set holds the place of every video, `MICROSECONDS:ID` of when it was accepted, and another
one those of each owner. A hash for each video has what lists show and filter by; it is written in
the same scripts as the live view, and does not expire. All of it can be rebuilt.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final, cast

import redis

from unmask_shared.job_store.connection import Keys, translated
from unmask_shared.videos import ModelRef, Status, Verdict, VideoRecord, VideoResult

# So many videos are looked at for one page, however few of them are wanted.
SCAN_BUDGET: Final = 1000

_CHUNK: Final = 100
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, kw_only=True)
class Position:
    """How far a video is.

    Attributes:
        status: Where it stands.
        progress: Fraction of all work that is done, in [0, 1].
    """

    status: Status
    progress: float


@dataclass(frozen=True, kw_only=True)
class VideoSummary:
    """What lists show of a video.

    Attributes:
        id: Of the video.
        status: Where it stands.
        progress: Fraction of all work that is done, in [0, 1].
        created_at: When it was accepted.
        filename: As it was sent.
        bytes: Size of the file.
        verdict: None unless it is completed.
        fake_probability: Of the most suspicious face; None where none was judged.
        model: The checkpoint that judged it.
    """

    id: str
    status: Status
    progress: float
    created_at: datetime
    filename: str
    bytes: int
    verdict: Verdict | None
    fake_probability: float | None
    model: ModelRef | None


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """Which videos a list shows; what is empty or None lets all through.

    Attributes:
        statuses: Any of these.
        verdicts: Any of these; only completed videos have one.
        created_after: Accepted then or later.
        created_before: Accepted before.
        filename: Part of the name, in capitals or not.
    """

    statuses: frozenset[Status] = frozenset()
    verdicts: frozenset[Verdict] = frozenset()
    created_after: datetime | None = None
    created_before: datetime | None = None
    filename: str = ""

    def lets_through(self, summary: VideoSummary) -> bool:
        """Whether the list shows it, as far as its times do not tell."""
        if self.statuses and summary.status not in self.statuses:
            return False
        if self.verdicts and summary.verdict not in self.verdicts:
            return False
        return self.filename.casefold() in summary.filename.casefold()


@dataclass(frozen=True, kw_only=True)
class Page:
    """A part of a list.

    Attributes:
        videos: Newest first; perhaps fewer than were asked for, even none, though more follow.
        next_place: Where to go on; None at the end of the list.
    """

    videos: tuple[VideoSummary, ...]
    next_place: str | None


class Catalogue:
    """Reads lists of videos.

    Every method raises `JobStoreUnavailable` when the server does not answer.
    """

    def __init__(self, client: "redis.Redis", keys: Keys) -> None:
        self._redis = client
        self._keys = keys

    def page(
        self, wanted: Wanted, *, limit: int, after: str | None = None, owner: str | None = None
    ) -> Page:
        """Return the next videos of a list.

        Looks at no more than `SCAN_BUDGET` videos, so a page costs about the same however many
        there are, and a list with few hits comes in more pages.

        Args:
            wanted: Which videos.
            limit: Most of them.
            after: `next_place` of the page before.
            owner: Only those of this owner; None for those of all.
        """
        found: list[VideoSummary] = []
        with translated():
            for scanned, (place, summary) in enumerate(
                self._walk(wanted, after=after, owner=owner), start=1
            ):
                if summary is not None and wanted.lets_through(summary):
                    found.append(summary)
                if len(found) == limit or scanned == SCAN_BUDGET:
                    rest = self._places(wanted, after=place, owner=owner, count=1)
                    return Page(videos=tuple(found), next_place=place if rest else None)
        return Page(videos=tuple(found), next_place=None)

    def positions(self, video_ids: Sequence[str]) -> list[Position | None]:
        """How far videos are, in their order; None for those that no list shows."""
        with translated():
            pipe = self._redis.pipeline(transaction=False)
            for video_id in video_ids:
                pipe.hmget(self._keys.summary(video_id), ["place", "status", "progress"])
            found = cast("list[list[str | None]]", pipe.execute())
        return [
            Position(status=Status(status), progress=float(progress))
            if place and status and progress
            else None
            for place, status, progress in found
        ]

    def holds(self, record: VideoRecord) -> bool:
        """Whether every list shows the video that should."""
        lists = [None, record.owner] if record.owner else [None]
        with translated():
            pipe = self._redis.pipeline(transaction=False)
            for owner in lists:
                pipe.zscore(self._keys.catalogue(owner), place_of(record))
            return None not in pipe.execute()

    def oldest(self, *, created_before: datetime, limit: int) -> list[str]:
        """Ids of the oldest videos that were accepted before this moment."""
        with translated():
            places = self._redis.zrangebylex(
                self._keys.catalogue(), "-", f"({_stamp(created_before)}", start=0, num=limit
            )
        return [_id_at(place) for place in cast("list[str]", places)]

    def _walk(
        self, wanted: Wanted, *, after: str | None, owner: str | None
    ) -> Iterator[tuple[str, VideoSummary | None]]:
        while places := self._places(wanted, after=after, owner=owner, count=_CHUNK):
            pipe = self._redis.pipeline(transaction=False)
            for place in places:
                pipe.hgetall(self._keys.summary(_id_at(place)))
            hashes = cast("list[dict[str, str]]", pipe.execute())
            yield from zip(places, map(_read, places, hashes), strict=True)
            if len(places) < _CHUNK:
                return
            after = places[-1]

    def _places(
        self, wanted: Wanted, *, after: str | None, owner: str | None, count: int
    ) -> list[str]:
        bounds = [after] if after else []
        if wanted.created_before:
            bounds.append(_stamp(wanted.created_before))
        newest = f"({min(bounds)}" if bounds else "+"
        oldest = f"[{_stamp(wanted.created_after)}" if wanted.created_after else "-"
        places = self._redis.zrevrangebylex(
            self._keys.catalogue(owner), newest, oldest, start=0, num=count
        )
        return cast("list[str]", places)


def place_of(record: VideoRecord) -> str:
    """Where a video stands in the catalogue; places sort by time, then by id."""
    return f"{_stamp(record.created_at)}:{record.id}"


def summary_of_record(record: VideoRecord) -> dict[str, str]:
    """Fields of the summary that never change."""
    owner = {"owner": record.owner} if record.owner else {}
    return {
        "filename": record.upload.filename,
        "bytes": str(record.upload.bytes),
        **owner,
    }


def summary_of_result(result: VideoResult) -> dict[str, str]:
    """Fields of the summary that come with the result."""
    probability = result.result.fake_probability
    score = {} if probability is None else {"fake_probability": repr(probability)}
    return {
        "verdict": result.result.verdict,
        "model": result.model.model_dump_json(),
        **score,
    }


def _read(place: str, fields: Mapping[str, str]) -> VideoSummary | None:
    if "status" not in fields:  # erased since its place was read
        return None
    stamp, _, video_id = place.partition(":")
    probability, model = fields.get("fake_probability"), fields.get("model")
    return VideoSummary(
        id=video_id,
        status=Status(fields["status"]),
        progress=float(fields["progress"]),
        created_at=_EPOCH + timedelta(microseconds=int(stamp)),
        filename=fields["filename"],
        bytes=int(fields["bytes"]),
        verdict=Verdict(fields["verdict"]) if "verdict" in fields else None,
        fake_probability=None if probability is None else float(probability),
        model=None if model is None else ModelRef.model_validate_json(model),
    )


def _stamp(moment: datetime) -> str:
    # Exact, unlike a timestamp in seconds, and as wide for the last moment that there is.
    return f"{(moment - _EPOCH) // timedelta(microseconds=1):018d}"


def _id_at(place: str) -> str:
    return place.partition(":")[2]
