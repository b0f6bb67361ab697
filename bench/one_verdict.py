"""The inference stage of one video without stores and queues, for benchmarks to measure."""

from dataclasses import dataclass
from pathlib import Path
from typing import Self

from unmask_inference.batcher import MicroBatcher
from unmask_inference.classify import Face, Judgement, classify_faces
from unmask_inference.engines import engine_maker
from unmask_shared.artifacts import FacesManifest, TrackManifest, crops_key, thumbnail_key
from unmask_shared.model.checkpoint import load_checkpoint
from unmask_shared.model.clips import clips_to_classify
from unmask_shared.model.predict import Clip, ClipClassifier, best_device
from unmask_shared.model.quality import QualityLimits
from unmask_shared.vision.crops import decode_crops
from unmask_shared.vision.encoding import encode_crops
from unmask_shared.vision.pipeline import FaceTracks

MODEL_DIR = Path(__file__).parents[1] / "models" / "default"
_ID = "01890a5d-ac96-774b-bcce-b302099a8057"
_LIMIT_S = 600.0


@dataclass(frozen=True, kw_only=True)
class StoredFaces:
    """What the preprocessor leaves in the store.

    Attributes:
        manifest: Names the tracks.
        crops: The archive of each track.
    """

    manifest: FacesManifest
    crops: list[bytes]

    @classmethod
    def of(cls, faces: FaceTracks) -> Self:
        """Encode them as the preprocessor does."""
        tracks = (
            TrackManifest(
                track_id=track.track_id,
                crops=crops_key(_ID, track.track_id),
                thumbnail=thumbnail_key(_ID, track.track_id),
                landmarks=None,
                frames=track.frames,
            )
            for track in faces.tracks
        )
        archives = [encode_crops(track.frames, track.crops) for track in faces.tracks]
        return cls(manifest=faces.manifest(tracks), crops=archives)


def make_classifier(*, threads: int) -> ClipClassifier:
    """The checkpoint that ships, as a worker loads it."""
    return ClipClassifier(
        load_checkpoint(MODEL_DIR),
        best_device(),
        batch_size=4,
        make_engine=engine_maker("auto", threads=threads),
    )


def judge(
    stored: StoredFaces, classifier: ClipClassifier, batcher: MicroBatcher, *, heatmaps: int = 0
) -> Judgement:
    """From stored crops to a verdict: all that a worker does between fetching and storing."""
    with batcher.job(classifier, time_limit_s=_LIMIT_S) as shared:
        faces = [
            Face(track=track, crops=decode_crops(archive))
            for track, archive in zip(stored.manifest.tracks, stored.crops, strict=True)
        ]
        return classify_faces(
            _ID,
            stored.manifest,
            faces,
            shared,
            limits=QualityLimits(),
            heatmaps=heatmaps,
            on_progress=lambda _: None,
        )


def clips_of(stored: StoredFaces, clip_length: int) -> list[Clip]:
    """The clips that `judge` classifies."""
    clips: list[Clip] = []
    for track, archive in zip(stored.manifest.tracks, stored.crops, strict=True):
        crops = decode_crops(archive)
        found = clips_to_classify(track.frames, clip_length, frame_step=stored.manifest.frame_step)
        clips += [crops[clip.start : clip.stop] for clip in found]
    return clips
