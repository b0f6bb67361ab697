"""A forward pass that shows that a checkpoint works, and warms it up."""

from typing import Final

import numpy as np

from unmask_shared.errors import InvalidCheckpoint
from unmask_shared.model.predict import ClipClassifier
from unmask_shared.model.scoring import MIN_CLIP_FRAMES

_SEED: Final = 20240517


def rehearse(classifier: ClipClassifier) -> None:
    """Classify and explain a long, a short, a black and a white clip.

    Loading a checkpoint finds what is wrong with its files; this finds weights that are finite and
    yet give no numbers, and networks that this device cannot run.

    Raises:
        InvalidCheckpoint: The network fails, or its logits are not finite.
    """
    card = classifier.card
    side, rng = card.input_size, np.random.default_rng(_SEED)
    noise = rng.integers(0, 256, (card.clip_length, side, side, 3), dtype=np.uint8)
    short = MIN_CLIP_FRAMES, side, side, 3
    clips = [noise, noise[:MIN_CLIP_FRAMES], np.zeros(short, np.uint8), np.full(short, 255, "u1")]
    try:
        logits = classifier.logits(clips)
        # What is made or loaded at first use would make the first video wait.
        classifier.explain(clips[:1])
    except RuntimeError as error:  # torch's, among them want of memory on the device
        raise InvalidCheckpoint(
            f"{card.name} {card.version} cannot be run here: {str(error).splitlines()[0]}"
        ) from error
    if not np.isfinite(logits).all():
        raise InvalidCheckpoint(
            f"{card.name} {card.version} gives logits that are not finite: {logits.tolist()}."
        )
