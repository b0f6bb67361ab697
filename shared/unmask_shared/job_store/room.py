"""How much the videos of an owner take, with those that are still on their way."""

from dataclasses import dataclass
from enum import IntEnum
from typing import Final

import redis

from unmask_shared.job_store import scripts
from unmask_shared.job_store.connection import Keys, translated
from unmask_shared.videos import Status

# Of whoever reserved and ended without a word. What takes longer to arrive asks again at its end.
_LASTS_S: Final = 900


class Want(IntEnum):
    """What there is not enough room for."""

    NOTHING = 0
    BYTES = 1
    UNFINISHED = 2


@dataclass(frozen=True, kw_only=True)
class Room:
    """The answer to a reservation.

    Attributes:
        wanting: What is wanting; nothing, if it was made.
        stored_bytes: Size of the files of all videos of the owner, and of those on their way.
        unfinished: How many of them wait, are worked on or on their way.
    """

    wanting: Want
    stored_bytes: int
    unfinished: int


class Rooms:
    """Reserves room for videos before they arrive, so that those at the same time see each other.

    A video that is accepted counts itself, and its reservation ends in the same step. Every method
    raises `JobStoreUnavailable` when the server does not answer.
    """

    def __init__(self, client: "redis.Redis", keys: Keys) -> None:
        self._redis = client
        self._keys = keys
        self._reserve = client.register_script(scripts.RESERVE)

    def reserve(
        self, owner: str, video_id: str, *, size: int, most_bytes: int, most_unfinished: int
    ) -> Room:
        """Reserve room for a video, in the place of what was reserved for it before.

        Costs about 1 ms for each 1000 videos of the owner.

        Args:
            owner: Whose it will be.
            video_id: Its id.
            size: Bytes of its file.
            most_bytes: The owner's files may have so many together; 0 for any number.
            most_unfinished: So many videos of the owner may be unfinished; 0 for any number.
        """
        final = [status for status in Status if status.is_final]
        with translated():
            wanting, stored_bytes, unfinished = self._reserve(
                keys=[self._keys.catalogue(owner), self._keys.reserved(owner)],
                args=[
                    self._keys.summary(""),
                    video_id,
                    size,
                    _LASTS_S,
                    most_bytes,
                    most_unfinished,
                    *final,
                ],
            )
        return Room(wanting=Want(wanting), stored_bytes=stored_bytes, unfinished=unfinished)

    def release(self, owner: str, video_id: str) -> None:
        """Give back what was reserved for a video that will not come."""
        with translated():
            self._redis.hdel(self._keys.reserved(owner), video_id)
