"""The network: a ResNet looks at each frame, an LSTM at how the frames follow each other."""

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from unmask_shared.model.architecture import Architecture
from unmask_shared.model.trunks import build_trunk, features_of, last_maps

CLASSES = 2
REAL, FAKE = 0, 1


class ResNetLSTM(nn.Module):
    """ResNet frame features, LSTM over time, mean over the steps, linear head.

    The head reads the mean of the LSTM's outputs rather than the last one: a forgery that shows
    in a few frames anywhere in the clip moves the mean, every frame receives gradient directly,
    and the result does not hang on the quality of the frame that happens to come last.
    """

    def __init__(self, architecture: Architecture) -> None:
        super().__init__()
        self.architecture = architecture
        self.trunk, features = build_trunk(architecture.trunk)
        self.lstm = nn.LSTM(
            input_size=features * (2 if architecture.movement else 1),
            hidden_size=architecture.lstm_hidden,
            num_layers=architecture.lstm_layers,
            batch_first=True,
            bidirectional=architecture.bidirectional,
        )
        self.dropout = nn.Dropout(architecture.dropout)
        directions = 2 if architecture.bidirectional else 1
        self.head = nn.Linear(directions * architecture.lstm_hidden, CLASSES)

    def forward(self, clips: Tensor, lengths: Tensor | None = None) -> Tensor:
        """Classify clips.

        Args:
            clips: (B, T, 3, S, S) float32, normalised.
            lengths: (B,) int64 on the CPU, valid frames at the start of each clip, in [1, T]; the
                frames behind them are never looked at. None when all clips are full.

        Returns:
            (B, 2) logits of real and fake.
        """
        if lengths is None:
            lengths = torch.full((len(clips),), clips.shape[1], dtype=torch.int64)
            return self.of_maps(last_maps(self.trunk, clips.flatten(0, 1)), lengths)
        valid = torch.arange(clips.shape[1])[None, :] < lengths[:, None]
        # Padding stays out of the trunk: it would cost time and, in training, enter the batch norm.
        return self.of_maps(last_maps(self.trunk, clips[valid.to(clips.device)]), lengths)

    def of_maps(self, maps: Tensor, lengths: Tensor) -> Tensor:
        """Classify clips of which the trunk's last maps are known.

        Args:
            maps: (sum of the lengths, C, h, w), as `last_maps` makes them, frame after frame, clip
                after clip.
            lengths: (B,) int64 on the CPU, frames of each clip, at least 1.

        Returns:
            (B, 2) logits of real and fake.
        """
        return self.of_seen(self.seen(maps, lengths), lengths)

    def seen(self, maps: Tensor, lengths: Tensor) -> tuple[Tensor, ...]:
        """All that is seen of frames, place by place.

        Args:
            maps: See `of_maps`.
            lengths: See `of_maps`.

        Returns:
            The maps, and behind them their movement where the architecture has it; both of the
            same shape.
        """
        return (maps, movement(maps, lengths)) if self.architecture.movement else (maps,)

    def of_seen(self, seen: tuple[Tensor, ...], lengths: Tensor) -> Tensor:
        """The rest of `of_maps`, from what `seen` gives."""
        return self.over_time(describe(self.trunk, *seen), lengths)

    def over_time(self, features: Tensor, lengths: Tensor) -> Tensor:
        """Classify clips by what the LSTM is shown of their frames.

        Args:
            features: (sum of the lengths, F), frame after frame, clip after clip; with the
                movement behind the trunk's features, where the architecture has it.
            lengths: (B,) int64 on the CPU, frames of each clip, at least 1.

        Returns:
            (B, 2) logits of real and fake.
        """
        longest = int(lengths.max())
        if bool((lengths == longest).all()):
            steps, _ = self.lstm(features.reshape(len(lengths), longest, -1))
            return self._classify(steps.mean(dim=1))
        valid = (torch.arange(longest)[None, :] < lengths[:, None]).to(features.device)
        padded = features.new_zeros((*valid.shape, features.shape[-1]))
        padded[valid] = features
        packed = pack_padded_sequence(padded, lengths, batch_first=True, enforce_sorted=False)
        steps, _ = pad_packed_sequence(self.lstm(packed)[0], batch_first=True)
        return self._classify(steps.sum(dim=1) / lengths.to(steps)[:, None])

    def _classify(self, summary: Tensor) -> Tensor:
        logits: Tensor = self.head(self.dropout(summary))
        return logits


def describe(trunk: nn.Module, maps: Tensor, *moved: Tensor) -> Tensor:
    """What an LSTM is shown of frames.

    Args:
        trunk: Made the maps.
        maps: (N, C, h, w), its last ones.
        moved: Their movement, of the same shape, where it is shown, too.

    Returns:
        (N, F) features, with the mean of the movement over all places behind them, (N, 2F).
    """
    return torch.cat([features_of(trunk, maps), *(one.mean(dim=(2, 3)) for one in moved)], dim=1)


def movement(maps: Tensor, lengths: Tensor) -> Tensor:
    """How far each place of a frame's maps is from the same place in the frame before.

    Args:
        maps: (sum of the lengths, C, h, w), frame after frame, clip after clip.
        lengths: (B,) int64 on the CPU, frames of each clip, at least 1.

    Returns:
        Absolute differences of the same shape. The first frame of a clip has the second one's, and
        those of a lone frame are 0.
    """
    before = torch.arange(len(maps)) - 1
    firsts = lengths.cumsum(0) - lengths
    before[firsts] = firsts + (lengths > 1)
    return (maps - maps[before.to(maps.device)]).abs()
