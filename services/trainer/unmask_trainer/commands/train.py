"""`python -m unmask_trainer train`: a checkpoint from real and forged videos."""

import argparse
import sys
from pathlib import Path
from typing import get_args

from unmask_shared.model.architecture import Architecture, Trunk
from unmask_shared.model.clips import ShortClips
from unmask_shared.vision.pipeline import VisionSettings
from unmask_trainer.commands.description import add_description, description_of
from unmask_trainer.datasets.splits import Shares
from unmask_trainer.experiment import Experiment, run_experiment
from unmask_trainer.pretraining import PretrainingSettings
from unmask_trainer.training import TrainingSettings


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare the options of the command."""
    defaults, vision = TrainingSettings(), VisionSettings()
    parser.add_argument("--data", type=Path, required=True, metavar="FOLDER")
    parser.add_argument("--out", type=Path, default=Path("runs/latest"), metavar="DIR")
    parser.add_argument("--trunk", choices=get_args(Trunk), default=Architecture().trunk)
    parser.add_argument("--epochs", type=int, default=defaults.epochs)
    parser.add_argument("--batch-size", type=int, default=defaults.batch_size)
    parser.add_argument("--learning-rate", type=float, default=defaults.learning_rate)
    parser.add_argument("--patience", type=int, default=defaults.patience)
    parser.add_argument("--window", type=int, default=vision.clip_length, metavar="FRAMES")
    parser.add_argument("--short-clips", choices=get_args(ShortClips), default="mask")
    parser.add_argument("--side", type=int, metavar="PIXELS", help="train on scaled-down crops")
    parser.add_argument("--fresh", type=float, default=0.0, metavar="SHARE", help="forged anew")
    parser.add_argument("--pretrain", type=int, default=0, metavar="STEPS", help="batches")
    parser.add_argument("--clip-length", type=int, default=vision.clip_length, metavar="FRAMES")
    parser.add_argument("--crop-size", type=int, default=vision.crop_size, metavar="PIXELS")
    parser.add_argument("--init", type=Path, metavar="FILE", help="start from these weights")
    parser.add_argument("--seed", type=int, default=defaults.seed)
    parser.add_argument("--split-seed", type=int, default=0, help="keep it with --init")
    parser.add_argument("--workers", type=int, default=2, help="processes that extract faces")
    add_description(parser)
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> None:
    pretraining = PretrainingSettings(steps=options.pretrain, seed=options.seed)
    card = run_experiment(
        Experiment(
            data=options.data,
            out=options.out,
            architecture=Architecture(trunk=options.trunk),
            vision=VisionSettings(crop_size=options.crop_size, clip_length=options.clip_length),
            window=options.window,
            short_clips=options.short_clips,
            side=options.side,
            fresh=options.fresh,
            shares=Shares(),
            split_seed=options.split_seed,
            training=TrainingSettings(
                epochs=options.epochs,
                batch_size=options.batch_size,
                learning_rate=options.learning_rate,
                patience=options.patience,
                seed=options.seed,
            ),
            initial=options.init,
            pretraining=pretraining if options.pretrain else None,
            workers=options.workers,
            description=description_of(options),
        )
    )
    for row in card.evaluations:
        sys.stdout.write(f"{row.model_dump_json()}\n")
