"""Settings of the training service, beside those that all services share."""

from pathlib import Path
from typing import Annotated

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict


class TrainerSettings(BaseSettings):
    """Where a worker trains, and how it watches over that."""

    model_config = SettingsConfigDict(env_prefix="UNMASK_")

    trainer_dir: Annotated[
        Path,
        Field(description="Folder for the runs and data sets at hand; best one that is kept."),
    ] = Path("runs/service")
    trainer_workers: Annotated[
        int, Field(ge=1, description="Processes that extract faces of unprepared data sets.")
    ] = 2
    trainer_max_attempts: Annotated[
        int, Field(ge=1, description="Starts that get no further before a run counts as failed.")
    ] = 3
    trainer_poll_s: Annotated[
        float, Field(gt=0, description="How often to look for cancellation, in seconds.")
    ] = 2.0
    trainer_stop_patience_s: Annotated[
        float, Field(gt=0, description="Seconds in which a run may save its state when told to.")
    ] = 60.0
    trainer_sweep_s: Annotated[
        float, Field(gt=0, description="How often to look for runs that nobody works on.")
    ] = 5.0

    def run_folder(self, run_id: str) -> Path:
        """Where a run has its files on this machine."""
        return self.trainer_dir / "runs" / run_id

    @property
    def data_folder(self) -> Path:
        """Where data sets lie on this machine."""
        return self.trainer_dir / "data"
