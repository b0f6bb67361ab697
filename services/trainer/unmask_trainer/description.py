"""What people say about a checkpoint, for its card."""

from typing import Any

from pydantic import ConfigDict
from pydantic.dataclasses import dataclass

from unmask_shared.model.card_texts import (
    ETHICAL_CONSIDERATIONS,
    EVALUATION_DATA,
    INTENDED_USE,
    OUT_OF_SCOPE_USES,
)


@dataclass(frozen=True, kw_only=True, config=ConfigDict(extra="forbid"))
class Description:
    """What the card says in words.

    Attributes:
        name: Of the model.
        version: Of the checkpoint.
        data: What the training data is.
        licence: What may be done with the weights.
        limits: What a user has to know.
        intended_use: What it is for.
        out_of_scope_uses: What it must not be used for.
        evaluation_data: What it was measured on.
        ethical_considerations: Whom it may harm, and how.
    """

    name: str = "resnet-lstm"
    version: str = "0.0.0"
    data: str = "Not described."
    licence: str = "Not stated."
    limits: tuple[str, ...] = ()
    intended_use: str = INTENDED_USE
    out_of_scope_uses: tuple[str, ...] = OUT_OF_SCOPE_USES
    evaluation_data: str = EVALUATION_DATA
    ethical_considerations: tuple[str, ...] = ETHICAL_CONSIDERATIONS

    def card_fields(self) -> dict[str, Any]:
        """The fields of a card that hold nothing but these words, by name."""
        return {
            "name": self.name,
            "version": self.version,
            "licence": self.licence,
            "limits": self.limits,
            "intended_use": self.intended_use,
            "out_of_scope_uses": self.out_of_scope_uses,
            "evaluation_data": self.evaluation_data,
            "ethical_considerations": self.ethical_considerations,
        }
