"""What the LSTM adds to single frames: `bench/clip_heads.py --train FOLDER --test FOLDER`.

The trunk of a checkpoint is frozen and looks at each frame once. On its features, heads are trained
anew: a linear one whose answers are averaged over a clip, and LSTMs that are shown clips of 1, 4, 8
or 16 frames, with and without the movement of the maps. All are shown the same number of frames,
with several seeds, and are measured on whole clips of other people. Photographs are set into motion
and forged as in training; nothing is augmented, so the figures compare heads, not checkpoints.
"""

import argparse
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from unmask_shared.model.card import ModelCard
from unmask_shared.model.checkpoint import load_checkpoint
from unmask_shared.model.resnet_lstm import FAKE, REAL, ResNetLSTM, describe, movement
from unmask_shared.model.transforms import CropTransform
from unmask_shared.model.trunks import last_maps
from unmask_trainer.configuration import CropSettings
from unmask_trainer.data_sets import load_faces
from unmask_trainer.datasets.fresh import FreshForgeries
from unmask_trainer.evaluation.document import Resampling
from unmask_trainer.evaluation.samples import Facts, Sample
from unmask_trainer.evaluation.summary import estimate_auc
from unmask_trainer.training.plan import PlanSettings, plan_epoch
from unmask_trainer.training.samples import Samples, SampleSettings
from unmask_trainer.training.units import units_of

METHODS = {
    "self_blend": 0.35,
    "face_swap": 0.25,
    "mouth_reenactment": 0.15,
    "network": 0.15,
    "box_paste": 0.1,
}
WINDOWS = (1, 4, 8, 16)
_LONGEST = max(WINDOWS)
_BATCH = 16


@dataclass(frozen=True, kw_only=True)
class Clip:
    """A clip as the trunk sees it: (T, 2F), the features of each frame and the maps' movement.

    The movement depends on the order, so that `at_random` is more than a permutation of `shown`.
    """

    shown: Tensor
    at_random: Tensor
    label: int
    person: str


def main() -> None:
    options = _options()
    torch.set_num_threads(options.threads)
    loaded = load_checkpoint(options.checkpoint)
    model, card = loaded.model.float().eval(), loaded.card
    crops = CropSettings(size=options.prepared, margin=card.crop_margin)
    training = forged_clips(model, crops, card.input_size, mixed(options.flicker), options, "train")
    train = kept(options.out / "train.pt", lambda: training)
    tests = {"": kept(options.out / "test.pt", lambda: test_clips(model, card, options.test))}
    if options.flicker:
        only = {"flicker": 1.0}
        flickering = forged_clips(model, crops, card.input_size, only, options, "val", "test")
        tests[", of flickers"] = kept(options.out / "flicker.pt", lambda: flickering)
    print(f"{len(train)} clips to train on, {[len(one) for one in tests.values()]} of others\n")
    print("| head | trained on clips of | AUC by seed | mean | first seed, 95 % |")
    print("|---|---|---|--:|---|")
    seeds = range(options.seeds)
    size = train[0].shown.shape[1] // 2
    compare("the checkpoint's own LSTM", "-", tests, [Head(model)])
    for name, test in tests.items():
        report(f"its clips of one frame, averaged{name}", "-", test, [OneByOne(model)])
    heads = [train_head(Linear(size), train, 1, seed, options.frames) for seed in seeds]
    for name, test in tests.items():
        report(f"linear, averaged{name}", "1 frame", test, heads)
    kinds = {"LSTM": False} | ({"LSTM that is shown movement": True} if options.flicker else {})
    for window in WINDOWS:
        for name, moving in kinds.items():
            if window > 1 or not moving:
                heads = [
                    train_head(lstm_like(model, moving, seed), train, window, seed, options.frames)
                    for seed in seeds
                ]
                compare(name, f"{window} frames", tests, heads)


def compare(
    name: str, window: str, tests: Mapping[str, Sequence[Clip]], heads: Sequence[nn.Module]
) -> None:
    """Lines for each set, in order and in random order."""
    for what, test in tests.items():
        report(f"{name}{what}", window, test, heads)
        random = [replace(one, shown=one.at_random) for one in test]
        report(f"the same, frames in random order{what}", window, random, heads)


def mixed(flicker: float) -> dict[str, float]:
    """Weights of the methods to train on."""
    return {name: weight * (1 - flicker) for name, weight in METHODS.items()} | {"flicker": flicker}


def forged_clips(
    model: ResNetLSTM,
    crops: CropSettings,
    side: int,
    methods: Mapping[str, float],
    options: argparse.Namespace,
    *parts: str,
) -> Iterator[Clip]:
    """Real clips of the people of some parts, each with a forgery, anew in each pass."""
    faces = load_faces(options.train, crops.vision(), workers=1)
    open_to = (None, *parts) if "train" in parts else parts
    faces = [item for item in faces if item.video.part in open_to][: options.videos]
    units = [unit for part in parts for unit in units_of(faces, part)]
    samples = Samples(
        units,
        FreshForgeries(faces, margin=crops.margin, methods=methods),
        SampleSettings(
            window=_LONGEST, margin=crops.margin, short_clips="mask", side=side, augmentation=None
        ),
    )
    for number in range(options.passes):
        plan = PlanSettings(balance="pairs", fresh=1.0, repeats={}, seed=1 + number)
        for draw in (draw for group in plan_epoch(units, plan, 1) for draw in group):
            one = samples[draw]
            yield see(model, one.crops, one.label, units[one.unit].person)


def test_clips(model: ResNetLSTM, card: ModelCard, folder: Path) -> list[Clip]:
    """All clips of a labelled folder; of a prepared one, those of people not trained on."""
    crops = CropSettings(size=card.input_size, margin=card.crop_margin)
    return [
        see(
            model,
            np.array(item.load()[start:stop]),
            item.video.label,
            item.video.person or item.video.group,
        )
        for item in load_faces(folder, crops.vision(), workers=1)
        if item.video.part in (None, "val", "test")
        for start, stop in item.clips
    ]


def kept(path: Path, make: Callable[[], Iterable[Clip]]) -> list[Clip]:
    """What is at `path`, or is made and put there."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        torch.save([vars(one) for one in make()], path)
    return [Clip(**fields) for fields in torch.load(path, weights_only=True)]


@torch.inference_mode()
def see(model: ResNetLSTM, crops: NDArray[np.uint8], label: int, person: str) -> Clip:
    maps = last_maps(model.trunk, CropTransform().normalise(torch.from_numpy(crops)))
    order = torch.randperm(len(maps), generator=torch.Generator().manual_seed(len(maps)))
    shown, at_random = (
        describe(model.trunk, seen, movement(seen, torch.tensor([len(seen)]))).clone()
        for seen in (maps, maps[order])
    )
    return Clip(shown=shown, at_random=at_random, label=label, person=person)


class Linear(nn.Module):
    """Judges frames one by one; a clip by their mean."""

    def __init__(self, features: int) -> None:
        super().__init__()
        self.head = nn.Linear(features, 2)

    def over_time(self, shown: Tensor, lengths: Tensor) -> Tensor:
        single = self.head(shown[:, : self.head.in_features])
        return torch.stack([part.mean(0) for part in single.split(lengths.tolist())])


class Head(nn.Module):
    """All of a model but its trunk."""

    def __init__(self, model: ResNetLSTM) -> None:
        super().__init__()
        self.lstm, self.dropout, self.head = model.lstm, model.dropout, model.head
        # Not a module of this one: nothing of it is trained but what stands above.
        self._over_time = model.over_time

    def over_time(self, shown: Tensor, lengths: Tensor) -> Tensor:
        return self._over_time(shown[:, : self.lstm.input_size], lengths)


class OneByOne(nn.Module):
    """A model that is shown each frame as a clip of its own, in which nothing moves."""

    def __init__(self, model: ResNetLSTM) -> None:
        super().__init__()
        self.head = Head(model)

    def over_time(self, shown: Tensor, lengths: Tensor) -> Tensor:
        features = shown.shape[1] // 2
        still = torch.cat([shown[:, :features], torch.zeros_like(shown[:, features:])], dim=1)
        single = self.head.over_time(still, torch.ones(len(shown), dtype=torch.int64))
        return torch.stack([part.mean(0) for part in single.split(lengths.tolist())])


def lstm_like(model: ResNetLSTM, moving: bool, seed: int) -> Head:
    """An untrained LSTM and head of the same shape, with or without movement."""
    torch.manual_seed(seed)
    return Head(ResNetLSTM(replace(model.architecture, movement=moving)))


def train_head(
    head: nn.Module, clips: Sequence[Clip], window: int, seed: int, frames: int
) -> nn.Module:
    """Train on `frames` frames in clips of `window`, half of them real."""
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    head.train()
    learners = [one for one in head.parameters() if one.requires_grad]
    size = _BATCH * _LONGEST // window
    steps = frames // (_BATCH * _LONGEST)
    optimiser = torch.optim.AdamW(learners, lr=1e-3, weight_decay=0.02)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, max_lr=1e-3, total_steps=steps)
    by_label = [[one for one in clips if one.label == label] for label in (REAL, FAKE)]
    for _ in range(steps):
        labels = np.arange(size) % 2
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


def _window(clips: Sequence[Clip], window: int, rng: np.random.Generator) -> Tensor:
    clip = clips[int(rng.integers(len(clips)))].shown
    start = int(rng.integers(max(0, len(clip) - window) + 1))
    return clip[start : start + window]


@torch.inference_mode()
def report(name: str, window: str, clips: Sequence[Clip], heads: Sequence[nn.Module]) -> None:
    """A line of the table."""
    shown = torch.cat([one.shown for one in clips])
    lengths = torch.tensor([len(one.shown) for one in clips])
    facts = tuple(Facts(dataset="test", identities=(one.person,)) for one in clips)
    labels = np.array([one.label for one in clips])
    found = []
    for head in heads:
        chances = head.over_time(shown, lengths).double().softmax(1)[:, FAKE].numpy()
        sample = Sample(labels=labels, probabilities=chances, facts=facts)
        found.append(estimate_auc(sample, Resampling()))
    values = [one.value for one in found]
    print(
        f"| {name} | {window} | {' '.join(f'{one:.3f}' for one in values)} | {np.mean(values):.3f} "
        f"| {found[0].low:.3f} to {found[0].high:.3f} |",
        flush=True,
    )


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--checkpoint", type=Path, default=Path("models/default"))
    parser.add_argument("--train", type=Path, required=True, help="a prepared folder")
    parser.add_argument("--prepared", type=int, default=224, help="side of its crops (%(default)s)")
    parser.add_argument("--videos", type=int, default=160, help="of it, at most (%(default)s)")
    parser.add_argument(
        "--test", type=Path, required=True, help="labelled videos of others, or the same folder"
    )
    parser.add_argument("--flicker", type=float, default=0.0, help="share of such forgeries")
    parser.add_argument("--passes", type=int, default=1, help="over the clips to train on")
    parser.add_argument("--out", type=Path, default=Path("runs/ablations/features"))
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--frames", type=int, default=40_000, help="that each head is shown")
    parser.add_argument("--threads", type=int, default=1)
    return parser.parse_args()


if __name__ == "__main__":
    main()
