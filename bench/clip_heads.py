"""What the LSTM adds to single frames: `.venv/bin/python bench/clip_heads.py --data DIR`.

The trunk of a checkpoint is frozen and looks at each frame once. On its features, heads are trained
anew on the training people: a linear one whose answers are averaged over a clip, and LSTMs that
are shown clips of 4, 8 or 16 frames. All are shown the same number of frames, measured on whole
clips of the validation and test people, and trained with several seeds. No forgery is made anew
and nothing is augmented, so the figures compare heads, not checkpoints.
"""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from unmask_shared.model.checkpoint import load_checkpoint
from unmask_shared.model.resnet_lstm import FAKE, REAL, ResNetLSTM
from unmask_shared.model.transforms import CropTransform
from unmask_trainer.configuration import CropSettings, SplitSettings
from unmask_trainer.data_sets import load_data_sets
from unmask_trainer.datasets.faces import FaceClips
from unmask_trainer.datasets.splits import Split
from unmask_trainer.evaluation.document import Resampling
from unmask_trainer.evaluation.samples import Facts, Sample
from unmask_trainer.evaluation.summary import estimate_auc

_BATCH = 16


@dataclass(frozen=True, kw_only=True)
class Take:
    """A video as the trunk sees it: (T, F) for each clip."""

    faces: FaceClips
    clips: tuple[Tensor, ...]

    @property
    def label(self) -> int:
        return self.faces.video.label


def main() -> None:
    options = _options()
    torch.set_num_threads(options.threads)
    model, card = _load(options.checkpoint)
    crops = CropSettings(
        size=card.input_size, margin=card.crop_margin, clip_length=card.clip_length
    )
    (data,) = load_data_sets([options.data], crops.vision(), SplitSettings(), workers=1)
    train = see(model, data.parts[Split.TRAIN], options.out / "train.pt")
    held_out = see(
        model, (*data.parts[Split.VAL], *data.parts[Split.TEST]), options.out / "rest.pt"
    )
    print(f"{len(train)} videos to train on, {len(held_out)} held out\n")
    print("| head | trained on | AUC by seed | mean | first seed, 95 % |\n|---|---|---|--:|---|")
    shipped = [score(model, take) for take in held_out]
    report("the checkpoint's own LSTM", "-", held_out, [shipped])
    report(
        "the same, frames in random order",
        "-",
        held_out,
        [[score(model, shuffled(take)) for take in held_out]],
    )
    for window, linear in ((1, True), (1, False), (4, False), (8, False), (16, False)):
        scores = []
        for seed in range(options.seeds):
            head = train_head(
                model, train, window=window, linear=linear, seed=seed, frames=options.frames
            )
            scores.append([score(head, take) for take in held_out])
        name = "linear, averaged" if linear else "LSTM"
        report(name, f"{window} frames", held_out, scores)
        if window > 1:
            mixed = [score(head, shuffled(take)) for take in held_out]
            report(f"{name}, frames in random order", f"{window} frames", held_out, [mixed])


def _load(folder: Path):  # type: ignore[no-untyped-def]
    checkpoint = load_checkpoint(folder)
    return checkpoint.model.float().eval(), checkpoint.card


@torch.inference_mode()
def see(model: ResNetLSTM, faces: Sequence[FaceClips], path: Path) -> list[Take]:
    """Features of all frames, kept at `path`."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        torch.save(
            [
                [_features(model, np.array(item.load()[a:b])) for a, b in item.clips]
                for item in faces
            ],
            path,
        )
    kept = torch.load(path, weights_only=True)
    return [Take(faces=item, clips=tuple(clips)) for item, clips in zip(faces, kept, strict=True)]


def _features(model: ResNetLSTM, crops: NDArray[np.uint8]) -> Tensor:
    pixels = CropTransform().normalise(torch.from_numpy(crops))
    with torch.autocast("cpu", torch.bfloat16):
        features = model.trunk(pixels.contiguous(memory_format=torch.channels_last))
    return features.float()


class Linear(nn.Module):
    """Judges frames one by one; a clip by their mean."""

    def __init__(self, features: int) -> None:
        super().__init__()
        self.head = nn.Linear(features, 2)

    def over_time(self, features: Tensor, lengths: Tensor) -> Tensor:
        return torch.stack([part.mean(0) for part in self.head(features).split(lengths.tolist())])


def train_head(
    like: ResNetLSTM, takes: Sequence[Take], *, window: int, linear: bool, seed: int, frames: int
) -> nn.Module:
    """A head on frozen features, shown `frames` frames in clips of `window`, half of them real."""
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    fresh = ResNetLSTM(like.architecture)
    head: nn.Module = Linear(fresh.lstm.input_size) if linear else fresh
    head.train()
    if not linear:
        fresh.trunk.requires_grad_(False).eval()
    learners = [one for one in head.parameters() if one.requires_grad]
    steps = frames // (window * _BATCH)
    optimiser = torch.optim.AdamW(learners, lr=1e-3, weight_decay=0.02)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, max_lr=1e-3, total_steps=steps)
    by_label = [[one for one in takes if one.label == label] for label in (REAL, FAKE)]
    for _ in range(steps):
        labels = np.arange(_BATCH) % 2
        parts = [_window(by_label[label], window, rng) for label in labels]
        lengths = torch.tensor([len(part) for part in parts])
        logits = head.over_time(torch.cat(parts), lengths)
        loss = functional.cross_entropy(logits, torch.from_numpy(labels), label_smoothing=0.03)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(learners, 1.0)
        optimiser.step()
        schedule.step()
    return head.eval()


def _window(takes: Sequence[Take], window: int, rng: np.random.Generator) -> Tensor:
    clips = takes[int(rng.integers(len(takes)))].clips
    clip = clips[int(rng.integers(len(clips)))]
    start = int(rng.integers(max(0, len(clip) - window) + 1))
    return clip[start : start + window]


@torch.inference_mode()
def score(head: nn.Module, take: Take) -> float:
    """Mean log-odds of being fake over the clips of a video."""
    lengths = torch.tensor([len(clip) for clip in take.clips])
    logits = head.over_time(torch.cat(take.clips), lengths)
    return float((logits[:, FAKE] - logits[:, REAL]).mean())


def shuffled(take: Take) -> Take:
    """The frames of each clip in random order."""
    draw = torch.Generator().manual_seed(0)
    return replace(
        take, clips=tuple(clip[torch.randperm(len(clip), generator=draw)] for clip in take.clips)
    )


def report(
    name: str, window: str, takes: Sequence[Take], scores: Sequence[Sequence[float]]
) -> None:
    """A line of the table."""
    facts = tuple(
        Facts(dataset="own", identities=one.faces.video.identities or (one.faces.video.group,))
        for one in takes
    )
    labels = np.array([one.label for one in takes])
    found = [
        estimate_auc(
            Sample(labels=labels, probabilities=1 / (1 + np.exp(-np.array(one))), facts=facts),
            Resampling(),
        )
        for one in scores
    ]
    values = [one.value or 0.0 for one in found]
    print(
        f"| {name} | {window} | {' '.join(f'{one:.3f}' for one in values)} | {np.mean(values):.3f} "
        f"| {found[0].low:.3f} to {found[0].high:.3f} |",
        flush=True,
    )


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--checkpoint", type=Path, default=Path("models/default"))
    parser.add_argument("--data", type=Path, required=True, help="prepared videos with forgeries")
    parser.add_argument("--out", type=Path, default=Path("runs/ablations/features"))
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--frames", type=int, default=60_000, help="that each head is shown")
    parser.add_argument("--threads", type=int, default=1)
    return parser.parse_args()


if __name__ == "__main__":
    main()
