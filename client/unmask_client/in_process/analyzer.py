"""The services' own pipelines in this process: no server, no Redis, no object store.

The only part of the client that needs parts of the server. Importing it imports torch.
"""

import hashlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Final, Self

from pydantic import ValidationError

from unmask_client.errors import InvalidArgument, UnmaskClientError
from unmask_client.models import (
    AnalysisOptions,
    Failure,
    FileAnalysis,
    ModelRef,
    Result,
    Source,
    Status,
)
from unmask_client.operations import printable
from unmask_inference.classifiers import ClassifierMaker
from unmask_inference.classify import Face, can_judge, check_faces, classify_faces, unjudged
from unmask_inference.settings import InferenceSettings
from unmask_preprocessor.settings import PreprocessorSettings
from unmask_shared.artifacts import TrackManifest, crops_key, thumbnail_key
from unmask_shared.closing import Closing
from unmask_shared.errors import (
    DependencyUnavailable,
    DetectorUnavailable,
    IncompatibleFaces,
    ProcessingCrashed,
    UnmaskError,
)
from unmask_shared.model.checkpoint import load_checkpoint
from unmask_shared.model.predict import ClipClassifier
from unmask_shared.sandbox.errors import SandboxFailure
from unmask_shared.videos import Failure as ServerFailure
from unmask_shared.vision.pipeline import FaceTracks
from unmask_shared.vision.sandboxed import SandboxedExtraction

# Finding faces and classifying them take about as long.
_EXTRACTED: Final = 0.55
# Documents name their pictures by the video's id; nothing is stored here.
_NO_ID: Final = "-"
_NOT_OF_THE_FILE: Final = (DependencyUnavailable, DetectorUnavailable, IncompatibleFaces)


class CannotAnalyze(UnmaskClientError):
    """Nothing can be analysed here, whatever the file."""

    def __init__(self, error: UnmaskError, *, action: str | None = None) -> None:
        super().__init__(error.detail)
        self.code = error.code
        self.title = error.title
        self.action = action or error.action


class FileAnalyzer(Closing):
    """Analyses one file after the other as the services would, with their settings (`UNMASK_...`).

    Each file is decoded in a sandbox. What the checkpoint was trained on decides how crops are cut.
    """

    def __init__(
        self,
        *,
        classifier: ClipClassifier,
        inference: InferenceSettings,
        preprocessor: PreprocessorSettings,
    ) -> None:
        """Take what `from_environment` builds."""
        self._classifier = classifier
        self._limits = inference.quality_limits()
        card = classifier.card
        self._vision = replace(
            preprocessor.vision(),
            crop_size=card.input_size,
            crop_margin=card.crop_margin,
            clip_length=card.clip_length,
        )
        self._faces = SandboxedExtraction(
            self._vision,
            preprocessor.sandbox_limits(),
            syscall_filter=preprocessor.syscall_filter,
        )

    @classmethod
    def from_environment(cls, model_dir: Path | None) -> Self:
        """Load a checkpoint, and read the settings of the services.

        Args:
            model_dir: A checkpoint's folder; `UNMASK_MODEL_DIR`, or models/default below the
                current folder.

        Raises:
            CannotAnalyze: There is no checkpoint that can be used.
            InvalidArgument: A setting is not valid.
        """
        try:
            inference, preprocessor = InferenceSettings(), PreprocessorSettings()
        except ValidationError as error:
            fault = error.errors()[0]
            name = "UNMASK_" + "_".join(map(str, fault["loc"])).upper()
            raise InvalidArgument(f"{name} is not valid: {fault['msg']}.") from error
        try:
            checkpoint = load_checkpoint(model_dir or inference.model_dir)
            classifier = ClassifierMaker.of(inference).make(checkpoint)
        except UnmaskError as error:
            raise CannotAnalyze(
                error, action="Point --model or UNMASK_MODEL_DIR to the folder of a checkpoint."
            ) from error
        return cls(classifier=classifier, inference=inference, preprocessor=preprocessor)

    @property
    def model(self) -> ModelRef:
        """The checkpoint that judges."""
        return ModelRef(name=self._classifier.card.name, version=self._classifier.card.version)

    def analyze(
        self,
        file: Path,
        options: AnalysisOptions,
        on_progress: Callable[[float], None],
    ) -> FileAnalysis:
        """Analyse one file.

        Args:
            file: A video.
            options: What to judge; pictures are not drawn.
            on_progress: Takes the fraction that is done, in [0, 1].

        Returns:
            The outcome; a file that cannot be read as a video is a failure, not an error.

        Raises:
            CannotAnalyze: Through no fault of the file.
            InvalidArgument: The file cannot be opened.
        """
        source = _source_of(file)
        vision = replace(
            self._vision,
            face_mode=options.face_mode,
            keep_faceless_frames=options.keep_faceless_frames,
        )
        try:
            found = self._faces.extract(file, vision, lambda done: on_progress(done * _EXTRACTED))
            result = self._judge(
                found, lambda done: on_progress(_EXTRACTED + done * (1 - _EXTRACTED))
            )
        except SandboxFailure as error:
            return self._failed(file, source, ProcessingCrashed(str(error)))
        except UnmaskError as error:
            if isinstance(error, _NOT_OF_THE_FILE):
                raise CannotAnalyze(error) from error
            return self._failed(file, source, error)
        info = found.video
        seen = {
            "duration_s": info.duration_s,
            "fps": info.fps,
            "width": info.width,
            "height": info.height,
            "frames": info.frames,
        }
        return FileAnalysis(
            file=printable(str(file)),
            status=Status.COMPLETED,
            source=source.model_copy(update=seen),
            model=self.model,
            result=result,
        )

    def close(self) -> None:
        """End the sandbox."""
        self._faces.close()

    def _judge(self, found: FaceTracks, on_progress: Callable[[float], None]) -> Result:
        manifest = found.manifest(
            TrackManifest(
                track_id=track.track_id,
                crops=crops_key(_NO_ID, track.track_id),
                thumbnail=thumbnail_key(_NO_ID, track.track_id),
                frames=track.frames,
            )
            for track in found.tracks
        )
        card = self._classifier.card
        if not can_judge(manifest, card):
            return Result.model_validate(unjudged(manifest).model_dump(mode="json"))
        check_faces(manifest, card)
        faces = [
            Face(track=track, crops=seen.crops)
            for track, seen in zip(manifest.tracks, found.tracks, strict=True)
        ]
        judgement = classify_faces(
            _NO_ID,
            manifest,
            faces,
            self._classifier,
            limits=self._limits,
            heatmaps=0,
            on_progress=on_progress,
        )
        return Result.model_validate(judgement.result.model_dump(mode="json"))

    def _failed(self, file: Path, source: Source, error: UnmaskError) -> FileAnalysis:
        return FileAnalysis(
            file=printable(str(file)),
            status=Status.FAILED,
            source=source,
            model=self.model,
            failure=Failure.model_validate(ServerFailure.of(error).model_dump()),
        )


def _source_of(file: Path) -> Source:
    try:
        with file.open("rb") as content:
            digest = hashlib.file_digest(content, "sha256").hexdigest()
            return Source(filename=printable(file.name), bytes=content.tell(), sha256=digest)
    except OSError as error:
        raise InvalidArgument(f"{file} cannot be read: {error.strerror}.") from error
