"""Where training runs."""

from pathlib import Path
from typing import Literal

import torch
from lightning_fabric import Fabric
from lightning_fabric.loggers.tensorboard import TensorBoardLogger

from unmask_trainer.training.errors import InvalidExperiment
from unmask_trainer.training.settings import HardwareSettings

LOGS_FOLDER = "tensorboard"
Precision = Literal["32-true", "16-mixed", "bf16-mixed"]


def launch(settings: HardwareSettings, out: Path) -> Fabric:
    """Start the processes of a run; each of them comes back from here with a Fabric of its own.

    On one host this starts the other processes itself, by calling the same command again. On
    several, `torchrun` or a cluster's own launcher starts all of them.

    Args:
        settings: Accelerator, devices, nodes and precision.
        out: Folder of the run, which receives `tensorboard/`.

    Raises:
        InvalidExperiment: This machine has no such hardware.
    """
    accelerator = settings.accelerator
    if accelerator == "auto":
        accelerator = "cuda" if torch.cuda.is_available() else "cpu"
    if accelerator == "cuda" and not torch.cuda.is_available():
        raise InvalidExperiment('accelerator = "cuda", but there is no GPU that torch can use')
    devices = settings.devices
    if devices == "auto":
        devices = torch.cuda.device_count() if accelerator == "cuda" else 1
    several = devices * settings.nodes > 1
    try:
        fabric = Fabric(
            accelerator=accelerator,
            devices=devices,
            num_nodes=settings.nodes,
            strategy="ddp" if several else "auto",
            precision=_precision(settings, accelerator),
            loggers=TensorBoardLogger(out, name=LOGS_FOLDER, version=""),
        )
        fabric.launch()
    except (RuntimeError, ValueError) as error:
        raise InvalidExperiment(f"this hardware is not at hand: {error}") from error
    return fabric


def _precision(settings: HardwareSettings, accelerator: str) -> Precision:
    """Half precision where it is quicker and safe; on CPUs it seldom is."""
    if settings.precision != "auto":
        return settings.precision
    if accelerator != "cuda":
        return "32-true"
    return "bf16-mixed" if torch.cuda.is_bf16_supported() else "16-mixed"
