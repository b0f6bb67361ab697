"""The loop in which a trunk learns from its teacher; it can be interrupted at any time."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from torch import nn
from torch.optim.lr_scheduler import OneCycleLR

from unmask_shared.model.transforms import CropTransform
from unmask_trainer.initialisation.distillation import Distillation
from unmask_trainer.initialisation.errors import UnusableWeights
from unmask_trainer.initialisation.pictures import DrawPictures, random_squares
from unmask_trainer.initialisation.settings import FromTeacher
from unmask_trainer.initialisation.weight_files import load_exactly

STATE_FILE: Final = "distillation.pt"

_GRADIENT_NORM: Final = 5.0


@dataclass(frozen=True, kw_only=True)
class DistillationReport:
    """How far a trunk is; `loss` is the mean since the last report, 1 for having learnt nothing."""

    step: int
    loss: float


def distil(
    trunk: nn.Module,
    teacher: nn.Module,
    draw: DrawPictures,
    settings: FromTeacher,
    *,
    device: torch.device,
    folder: Path,
    on_report: Callable[[DistillationReport], None],
) -> None:
    """Teach a trunk, in place.

    The pictures of a step follow from the seed and its number, so a run that was interrupted and
    goes on from `folder` takes the same steps as one that was not.

    Args:
        trunk: What `build_trunk` made.
        teacher: What it learns from, as `load_teacher` gives it.
        draw: What it looks at.
        settings: How long and how fast.
        device: Where to train.
        folder: An existing folder, which receives the state every `save_every` steps.
        on_report: Called at each save.

    Raises:
        UnusableWeights: When the folder has the state of another distillation.
    """
    torch.manual_seed(settings.seed)
    module = Distillation(trunk, teacher).to(device)
    learners = [parameter for parameter in module.parameters() if parameter.requires_grad]
    optimiser = torch.optim.AdamW(learners, lr=settings.learning_rate)
    schedule = OneCycleLR(optimiser, max_lr=settings.learning_rate, total_steps=settings.steps)
    run = _Run(
        path=folder / STATE_FILE,
        settings=settings,
        module=module,
        optimiser=optimiser,
        schedule=schedule,
    )
    transform = CropTransform()
    losses: list[float] = []
    module.train()
    for step in range(run.resume() + 1, settings.steps + 1):
        rng = np.random.default_rng([settings.seed, step])
        pictures = random_squares(draw(rng, settings.batch_size), settings.side, rng)
        loss = module(transform(pictures).to(device))
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(learners, _GRADIENT_NORM)
        optimiser.step()
        schedule.step()
        losses.append(float(loss.detach()))
        if step % settings.save_every == 0 or step == settings.steps:
            run.save(step)
            on_report(DistillationReport(step=step, loss=float(np.mean(losses))))
            losses.clear()
    trunk.cpu()


@dataclass(frozen=True, kw_only=True)
class _Run:
    """Everything that changes from step to step, and where it is kept."""

    path: Path
    settings: FromTeacher
    module: Distillation
    optimiser: torch.optim.Optimizer
    schedule: OneCycleLR

    def save(self, step: int) -> None:
        """Replace the state in the file."""
        state = {
            "settings": self.settings.model_dump(mode="json"),
            "step": step,
            "trunk": self.module.trunk.state_dict(),
            "tellers": self.module.tellers.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "schedule": self.schedule.state_dict(),
        }
        # A run that is killed while it writes must find the older state whole.
        written = self.path.with_suffix(".part")
        torch.save(state, written)
        written.replace(self.path)

    def resume(self) -> int:
        """Take the state of the file; the step that it was saved at, 0 without a file."""
        if not self.path.is_file():
            return 0
        state: dict[str, Any] = torch.load(self.path, map_location="cpu", weights_only=True)
        if state["settings"] != self.settings.model_dump(mode="json"):
            raise UnusableWeights(
                f"{self.path} is the state of a distillation with other settings: remove it, or "
                f"choose another folder for the run."
            )
        load_exactly(self.module.trunk, state["trunk"], origin=str(self.path))
        load_exactly(self.module.tellers, state["tellers"], origin=str(self.path))
        self.optimiser.load_state_dict(state["optimiser"])
        self.schedule.load_state_dict(state["schedule"])
        return int(state["step"])
