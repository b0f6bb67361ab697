"""What paths under `/videos` are made of."""

import re
from typing import Annotated, Final

from fastapi import Depends, Header, Path
from pydantic import JsonValue

from unmask_gateway.schemas import EXAMPLE_ID
from unmask_shared.errors import MalformedVideoId

UUID7: Final = "[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"
# Told, and checked below, where what is wrong with it can be said.
_TOLD: Final[dict[str, JsonValue]] = {"pattern": f"^{UUID7}$"}


async def parse_video_id(
    video_id: Annotated[
        str,
        Path(
            description="The id that POST /videos returned.",
            examples=[EXAMPLE_ID],
            json_schema_extra=_TOLD,
        ),
    ],
) -> str:
    """Refuse what can never be the id of a video.

    Raises:
        MalformedVideoId: It is not a UUIDv7 in its canonical form.
    """
    if not re.fullmatch(UUID7, video_id, re.ASCII):
        raise MalformedVideoId(f"{video_id[:64]!r} is not a UUID of version 7 in lower case.")
    return video_id


VideoId = Annotated[str, Depends(parse_video_id)]
TrackId = Annotated[int, Path(ge=0, le=9999, description="`track_id` of the face.", examples=[0])]
HeatmapNumber = Annotated[
    int,
    Path(ge=0, le=99, description="Position among the heatmaps of the face.", examples=[0]),
]
IdempotencyKey = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        min_length=1,
        max_length=255,
        pattern="^[!-~]+$",
        description="Any text of your choice, new for each video, such as a UUID. A request that "
        "is sent again with its key within a day brings no second video. With another file, file "
        "name or options it is refused; which file it is shows once it has arrived. A video that "
        "is deleted sets its key free.",
        examples=["8e03978e-40d5-43e8-bc93-6894a57f9324"],
    ),
]
