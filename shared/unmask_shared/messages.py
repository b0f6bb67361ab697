"""What travels through the broker: names of tasks and queues, and their payloads.

Payloads carry ids and keys, never pixels. The gateway sends tasks by name, so that it needs none
of the code that runs them; `tests/contract` holds these names against the registered tasks.
"""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

EXTRACT_FACES = "preprocessor.extract_faces"
CLASSIFY_FACES = "inference.classify_faces"
TRAIN_CHECKPOINT = "trainer.train_checkpoint"

PREPROCESSOR_QUEUE = "preprocessor"
INFERENCE_QUEUE = "inference"
TRAINER_QUEUE = "trainer"

QUEUE_OF_TASK = {
    EXTRACT_FACES: PREPROCESSOR_QUEUE,
    CLASSIFY_FACES: INFERENCE_QUEUE,
    TRAIN_CHECKPOINT: TRAINER_QUEUE,
}


INTERACTIVE = 0
"""Priority of what somebody waits for; lower numbers go first."""

BATCH = 6
"""Priority of what comes in bulk: it is taken when nothing interactive waits."""

PRIORITIES = (INTERACTIVE, BATCH)


def lists_of(queue: str) -> list[str]:
    """Names of the Redis lists in which the messages of a queue wait, by priority."""
    return [queue if priority == 0 else f"{queue}:{priority}" for priority in PRIORITIES]


class StageMessage(BaseModel):
    """The payload of both stages; everything else is read from the stores."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    video_id: Annotated[str, Field(min_length=1, max_length=64)]


class TrainingMessage(BaseModel):
    """The payload of a training run; its record in the object store says everything else."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    run_id: Annotated[str, Field(pattern=r"^[0-9a-f-]{36}$")]
