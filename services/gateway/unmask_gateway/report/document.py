"""Puts the report on a video together."""

import base64
import hashlib
import logging
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from unmask_gateway.model_catalogue import CardSummary, Evaluation, ModelCatalogue
from unmask_gateway.report.timeline import Kind, Timeline, draw_timeline, kind_of
from unmask_gateway.report.words import (
    clock,
    file_size,
    percent,
    verdict_in_words,
    why_not_judged,
)
from unmask_shared.artifacts import heatmap_key, thumbnail_key
from unmask_shared.errors import DamagedModel, InvalidModelRef, ModelNotFound, ObjectNotFound
from unmask_shared.job_store import JobState
from unmask_shared.object_store import ObjectStore
from unmask_shared.videos import FaceResult, ModelRef, VideoResult

log = logging.getLogger(__name__)

_TEMPLATES: Final = Path(__file__).parent / "templates"
# A crowd would make a file of many megabytes; the faces that decide come first.
_MOST_PICTURED: Final = 12


@dataclass(frozen=True, kw_only=True)
class Picture:
    """A picture as part of the page.

    Attributes:
        url: A `data:` URL.
        caption: What stands below it.
    """

    url: str
    caption: str


@dataclass(frozen=True, kw_only=True)
class ReportedFace:
    """One face of the report, in words and pictures.

    Attributes:
        name: How the report calls it.
        score: Its probability, or why it has none.
        kind: How the model calls it.
        seen: When it is in the video.
        worst: Its most suspicious moment; empty where none was judged.
        thumbnail: Of the face; None where there is none.
        heatmaps: The most suspicious moments first.
        timeline: Its probability over time.
    """

    name: str
    score: str
    kind: Kind
    seen: str
    worst: str
    thumbnail: Picture | None
    heatmaps: tuple[Picture, ...]
    timeline: Timeline


class ReportMaker:
    """Makes reports; safe to use from several threads."""

    def __init__(self, *, store: ObjectStore, models: ModelCatalogue) -> None:
        """Prepare to make reports.

        Args:
            store: Has the pictures of the faces.
            models: Have the cards.
        """
        self._store = store
        self._models = models
        environment = Environment(
            loader=FileSystemLoader(_TEMPLATES),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        environment.filters |= {"percent": percent, "clock": clock, "file_size": file_size}
        self._template = environment.get_template("report.html")
        style = (_TEMPLATES / "report.css").read_text()
        self._style = Markup(style)  # noqa: S704 - a file of this package
        digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
        self.content_policy = (
            f"default-src 'none'; img-src data:; style-src 'sha256-{digest}'; base-uri 'none'; "
            "form-action 'none'"
        )
        """What the page may do: show its own pictures in its own style, and nothing else."""

    def make(self, state: JobState, outcome: VideoResult) -> str:
        """Write the report on a video that is completed, as HTML that needs nothing else.

        Args:
            state: The video.
            outcome: Its result.

        Raises:
            ObjectStoreUnavailable: The store does not answer.
        """
        card = self._card(outcome.model)
        headline, sentence = verdict_in_words(outcome.result)
        faces = sorted(outcome.result.faces, key=_suspicion, reverse=True)
        return self._template.render(
            style=self._style,
            content_policy=self.content_policy,
            made_at=datetime.now(UTC),
            record=state.record,
            outcome=outcome,
            headline=headline,
            sentence=sentence,
            card=card,
            evaluation=_evaluation(card),
            faces=[
                self._face(face, outcome, state, card, with_pictures=place < _MOST_PICTURED)
                for place, face in enumerate(faces)
            ],
            most_pictured=_MOST_PICTURED,
        )

    def _face(
        self,
        face: FaceResult,
        outcome: VideoResult,
        state: JobState,
        card: CardSummary | None,
        *,
        with_pictures: bool,
    ) -> ReportedFace:
        video_id, thresholds = outcome.video_id, card.thresholds if card else None
        judged = [part for part in face.segments if part.fake_probability is not None]
        worst = max(judged, key=lambda part: part.fake_probability or 0.0, default=None)
        is_face = state.record.options.face_mode == "faces"
        name = f"Face {face.track_id + 1}" if is_face else "Whole pictures"
        pictures = self._pictures(video_id, face, name) if with_pictures else (None, ())
        return ReportedFace(
            name=name,
            score=why_not_judged(face.reason)
            if face.fake_probability is None
            else f"{percent(face.fake_probability)} probability of forgery",
            kind="not-judged"
            if face.fake_probability is None
            else kind_of(face.fake_probability, thresholds),
            seen=f"{clock(face.start_s)} to {clock(face.end_s)}",
            worst=""
            if worst is None or worst.fake_probability is None
            else f"{clock(worst.start_s)} to {clock(worst.end_s)}, "
            f"{percent(worst.fake_probability)}",
            thumbnail=pictures[0],
            heatmaps=pictures[1],
            timeline=draw_timeline(
                face.segments, duration_s=outcome.video.duration_s, thresholds=thresholds
            ),
        )

    def _pictures(
        self, video_id: str, face: FaceResult, name: str
    ) -> tuple[Picture | None, tuple[Picture, ...]]:
        thumbnail = self._picture(thumbnail_key(video_id, face.track_id), "image/jpeg", name)
        heatmaps = (
            self._picture(
                heatmap_key(video_id, face.track_id, number), "image/webp", clock(one.time_s)
            )
            for number, one in enumerate(face.heatmaps)
        )
        return thumbnail, tuple(picture for picture in heatmaps if picture is not None)

    def _picture(self, key: str, media_type: str, caption: str) -> Picture | None:
        try:
            data = self._store.get(key)
        except ObjectNotFound:
            return None  # results of older versions have fewer pictures
        return Picture(
            url=f"data:{media_type};base64,{base64.b64encode(data).decode()}", caption=caption
        )

    def _card(self, model: ModelRef) -> CardSummary | None:
        try:
            return self._models.find(model.name, model.version).summary
        except (ModelNotFound, InvalidModelRef):
            return None  # judged by a checkpoint that nobody has published
        except DamagedModel as error:
            log.warning("the report does without the card: %s", error.detail)
            return None


def _suspicion(face: FaceResult) -> float:
    return -1.0 if face.fake_probability is None else face.fake_probability


def _evaluation(card: CardSummary | None) -> Evaluation | None:
    """The one on people that were used for nothing else."""
    if card is None:
        return None
    return next(
        (one for one in card.evaluations if (one.split, one.level) == ("test", "video")), None
    )
