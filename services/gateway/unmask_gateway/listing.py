"""What `GET /videos` takes and returns."""

import base64
import binascii
import re
from datetime import datetime
from typing import Annotated, Any, Final, Self

from pydantic import AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field

from unmask_gateway.schemas import EXAMPLE_ID
from unmask_shared.errors import InvalidCursor
from unmask_shared.job_store import Page, VideoSummary, Wanted
from unmask_shared.videos import ModelRef, Status, Verdict

_PLACE: Final = re.compile(r"[0-9]{18}:[0-9a-f-]{36}", re.ASCII)
# Base64 of 55 such characters; told, and checked below, where it can be said what a cursor is.
_CURSOR: Final = "^[0-9A-Za-z_-]{74}$"
_RFC_3339: Final = re.compile(
    r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)", re.ASCII
)
_EXAMPLE_CURSOR: Final = (
    "MDAwMTc3Nzg4OTgwMDAwMDAwMDowMTg5MGE1ZC1hYzk2LTc3NGItYmNjZS1iMzAyMDk5YTgwNTc"
)


def _cursor_of(place: str) -> str:
    return base64.urlsafe_b64encode(place.encode()).rstrip(b"=").decode()


def _as_rfc_3339(value: object) -> object:
    # Pydantic alone takes numbers, which are seconds for one caller and milliseconds for another.
    if isinstance(value, str) and not _RFC_3339.fullmatch(value):
        raise ValueError("is no date and time as RFC 3339 has it, like 2026-05-04T09:30:00Z")
    return value


Moment = Annotated[AwareDatetime, BeforeValidator(_as_rfc_3339)]

PAGE_EXAMPLE: Final[dict[str, Any]] = {
    "videos": [
        {
            "id": EXAMPLE_ID,
            "status": "completed",
            "progress": 1.0,
            "created_at": "2026-05-04T09:30:00Z",
            "filename": "clip.mp4",
            "bytes": 1843200,
            "verdict": "fake",
            "fake_probability": 0.97,
            "model": {"name": "resnet-lstm", "version": "1.0.0"},
        }
    ],
    "next_cursor": _cursor_of(f"001777887000000000:{EXAMPLE_ID}"),
    "complete": True,
}


class VideoListQuery(BaseModel):
    """Which videos a list shows; a parameter that is not known is refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    status: Annotated[
        tuple[Status, ...], Field(max_length=len(Status), description="Any of these.")
    ] = ()
    verdict: Annotated[
        tuple[Verdict, ...],
        Field(max_length=len(Verdict), description="Any of these; of completed videos only."),
    ] = ()
    created_after: Annotated[
        Moment | None, Field(description="Accepted then or later; with a time zone.")
    ] = None
    created_before: Annotated[
        Moment | None, Field(description="Accepted before; with a time zone.")
    ] = None
    filename: Annotated[
        str, Field(max_length=255, description="Part of the name; case does not matter.")
    ] = ""
    limit: Annotated[int, Field(ge=1, le=100, description="Most videos of a page.")] = 20
    cursor: Annotated[
        str | None,
        Field(
            max_length=128,
            description="`next_cursor` of the page before, as it is.",
            json_schema_extra={"pattern": _CURSOR},
        ),
    ] = None

    @property
    def wanted(self) -> Wanted:
        """The filters."""
        return Wanted(
            statuses=frozenset(self.status),
            verdicts=frozenset(self.verdict),
            created_after=self.created_after,
            created_before=self.created_before,
            filename=self.filename,
        )

    @property
    def place(self) -> str | None:
        """Where the page begins.

        Raises:
            InvalidCursor: Nobody was given this cursor.
        """
        return None if self.cursor is None else _place_of(self.cursor)


class VideoItem(BaseModel):
    """A video in short; `GET /videos/{video_id}` has the rest."""

    model_config = ConfigDict(frozen=True, from_attributes=True)

    id: str
    status: Status
    progress: Annotated[float, Field(ge=0, le=1)]
    created_at: datetime
    filename: str
    bytes: int
    verdict: Annotated[Verdict | None, Field(description="Set when the status is `completed`.")]
    fake_probability: Annotated[
        float | None, Field(ge=0, le=1, description="Null where no face was judged.")
    ]
    model: Annotated[ModelRef | None, Field(description="The checkpoint that gave the verdict.")]

    @classmethod
    def of(cls, summary: VideoSummary) -> Self:
        """The video as the catalogue has it."""
        return cls.model_validate(summary)


class VideoPage(BaseModel):
    """Videos, newest first."""

    model_config = ConfigDict(frozen=True, json_schema_extra={"example": PAGE_EXAMPLE})

    videos: Annotated[
        tuple[VideoItem, ...],
        Field(description="Perhaps fewer than `limit`, even none, while there is a next page."),
    ]
    next_cursor: Annotated[
        str | None, Field(description="Send it as `cursor` for the next page; null on the last.")
    ]
    complete: Annotated[
        bool, Field(description="False for the moment in which the list is built anew.")
    ]

    @classmethod
    def of(cls, page: Page, *, complete: bool) -> Self:
        """A page of the catalogue."""
        return cls(
            videos=tuple(map(VideoItem.of, page.videos)),
            next_cursor=None if page.next_place is None else _cursor_of(page.next_place),
            complete=complete,
        )


def _place_of(cursor: str) -> str:
    try:
        padded = cursor + "=" * (-len(cursor) % 4)
        place = base64.b64decode(padded, altchars=b"-_", validate=True).decode("ascii")
    except (binascii.Error, UnicodeError, ValueError):
        place = ""
    if not _PLACE.fullmatch(place):
        raise InvalidCursor(f"{cursor!r} is no cursor.")
    return place
