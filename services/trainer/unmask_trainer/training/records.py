"""What is known about each epoch of a stage."""

from collections.abc import Mapping
from typing import Any, Self

from pydantic import TypeAdapter
from pydantic.dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class EpochRecord:
    """How one epoch went; losses are mean cross-entropies in nats.

    Attributes:
        stage: Name of the stage.
        epoch: From 1.
        train_loss: Of augmented clips, while the weights change.
        train_accuracy: Share of them that is right.
        val_loss: Of the validation people's clips, as they are.
        val_accuracy: Share of them that is right.
        val_auc: Over all of them; None if a class is missing.
        val_auc_of: By data set.
        learning_rate: At the end of the epoch, the highest of all parameters.
        seconds: Wall time, of validation too.
        waited: Share of the time of training in which it waited for data.
        clips_per_second: Of training, over all processes.
    """

    stage: str
    epoch: int
    train_loss: float
    train_accuracy: float
    val_loss: float
    val_accuracy: float
    val_auc: float | None
    val_auc_of: dict[str, float | None]
    learning_rate: float
    seconds: float
    waited: float
    clips_per_second: float

    def document(self) -> dict[str, Any]:
        """As plain data."""
        plain: dict[str, Any] = _RECORD.dump_python(self, mode="json")
        return plain

    @classmethod
    def of(cls, document: Mapping[str, Any]) -> Self:
        """The reverse of `document`.

        Raises:
            pydantic.ValidationError: The document is of another form.
        """
        record: Self = _RECORD.validate_python(document)
        return record

    def curve(self) -> dict[str, Any]:
        """What a run that was interrupted shares with one that was not: all but the times."""
        times = ("seconds", "waited", "clips_per_second")
        return {name: value for name, value in self.document().items() if name not in times}

    def line(self) -> str:
        """For a terminal."""
        area = "" if self.val_auc is None else f"  AUC {self.val_auc:.3f}"
        parts = [
            f"{name} {value:.3f}"
            for name, value in self.val_auc_of.items()
            if value is not None and len(self.val_auc_of) > 1
        ]
        of = f" ({', '.join(parts)})" if parts else ""
        return (
            f"{self.stage} {self.epoch}: loss {self.train_loss:.4f}, validation {self.val_loss:.4f}"
            f"{area}{of}  accuracy {self.train_accuracy:.3f}, validation {self.val_accuracy:.3f}  "
            f"{self.seconds:.0f} s, {self.clips_per_second:.1f} clips/s, waited {self.waited:.1%}"
        )


_RECORD: TypeAdapter[Any] = TypeAdapter(EpochRecord)
