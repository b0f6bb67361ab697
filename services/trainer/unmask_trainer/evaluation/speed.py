"""How many clips per second the network classifies."""

import time

import numpy as np
import torch

from unmask_shared.model.predict import ClipClassifier
from unmask_trainer.evaluation.document import Speed

_ROUNDS = 5


def measure_speed(
    classifier: ClipClassifier, *, device: torch.device, batch_size: int = 4
) -> Speed:
    """Time full clips, from crops in memory to logits.

    The median of some rounds is given, with the slowest and the fastest beside it: other work on
    the machine shows there.

    Args:
        classifier: The checkpoint, on its device.
        device: That device.
        batch_size: Clips of a round.
    """
    card = classifier.card
    shape = (card.clip_length, card.input_size, card.input_size, 3)
    rng = np.random.default_rng(0)
    clips = [rng.integers(0, 256, shape, np.uint8) for _ in range(batch_size)]
    classifier.logits(clips)  # The first round allocates and chooses algorithms.
    rates = []
    for _ in range(_ROUNDS):
        started = time.perf_counter()
        classifier.logits(clips)  # Ends with a copy to the CPU, so the device has finished.
        rates.append(len(clips) / (time.perf_counter() - started))
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else device.type.upper()
    return Speed(
        device=name,
        threads=torch.get_num_threads(),
        batch_size=batch_size,
        clip_frames=card.clip_length,
        clips_per_second=float(np.median(rates)),
        slowest=min(rates),
        fastest=max(rates),
    )
