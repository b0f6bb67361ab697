"""The gateway sends tasks by name: these names and payloads must be those that workers know."""

import threading
from pathlib import Path

import pytest
from celery import Celery
from pydantic import ValidationError

from unmask_inference.batcher import MicroBatcher
from unmask_inference.settings import InferenceSettings
from unmask_inference.worker import build_app as build_inference
from unmask_inference.worker import load_models
from unmask_preprocessor.settings import PreprocessorSettings
from unmask_preprocessor.worker import build_app as build_preprocessor
from unmask_shared.messages import (
    CLASSIFY_FACES,
    EXTRACT_FACES,
    INFERENCE_QUEUE,
    PREPROCESSOR_QUEUE,
    TRAIN_CHECKPOINT,
    TRAINER_QUEUE,
    StageMessage,
    TrainingMessage,
)
from unmask_shared.settings import JobSettings, StoreSettings
from unmask_trainer.service.settings import TrainerSettings
from unmask_trainer.service.worker import build_app as build_trainer

MODEL_DIR = Path(__file__).parents[2] / "models" / "default"


@pytest.fixture
def workers(tmp_path: Path) -> dict[str, Celery]:
    store = StoreSettings(data_dir=tmp_path)
    inference = InferenceSettings(model_dir=MODEL_DIR)
    return {
        EXTRACT_FACES: build_preprocessor(PreprocessorSettings(), JobSettings(), store),
        CLASSIFY_FACES: build_inference(
            inference,
            load_models(inference, store),
            MicroBatcher(max_clips=1, max_wait_s=0),
            JobSettings(),
            store,
        ),
        TRAIN_CHECKPOINT: build_trainer(TrainerSettings(), JobSettings(), store, threading.Event()),
    }


def test_each_worker_registers_the_task_that_the_gateway_sends(workers: dict[str, Celery]) -> None:
    for name, app in workers.items():
        own = {task for task in app.tasks if not task.startswith("celery.")}
        assert own == {name}


@pytest.mark.parametrize(
    ("task", "queue"),
    [
        (EXTRACT_FACES, PREPROCESSOR_QUEUE),
        (CLASSIFY_FACES, INFERENCE_QUEUE),
        (TRAIN_CHECKPOINT, TRAINER_QUEUE),
    ],
)
def test_tasks_are_routed_to_their_own_queues(
    workers: dict[str, Celery], task: str, queue: str
) -> None:
    route = workers[task].amqp.router.route({}, task)
    assert route["queue"].name == queue


def test_tasks_accept_the_payload_that_the_gateway_sends(workers: dict[str, Celery]) -> None:
    subject = "01890a5d-ac96-774b-bcce-b302099a8057"
    stage = StageMessage(video_id=subject).model_dump()
    training = TrainingMessage(run_id=subject).model_dump()
    for name, app in workers.items():
        # Celery checks the arguments of a call against the task's signature.
        app.tasks[name].__header__(**(training if name == TRAIN_CHECKPOINT else stage))


def test_messages_with_unknown_fields_are_refused() -> None:
    with pytest.raises(ValidationError):
        StageMessage.model_validate({"video_id": "x", "pixels": "no"})
    with pytest.raises(ValidationError):
        TrainingMessage.model_validate({"run_id": "../../models"})


def test_messages_survive_the_death_of_a_worker(workers: dict[str, Celery]) -> None:
    for app in workers.values():
        assert app.conf.task_acks_late
        assert app.conf.task_reject_on_worker_lost
        assert app.conf.worker_prefetch_multiplier == 1
