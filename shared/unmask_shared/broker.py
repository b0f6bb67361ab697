"""The Celery application, built the same way by everyone who sends or runs tasks."""

import json
import logging
from typing import Any

import redis
from celery import Celery
from kombu import Exchange, Queue
from kombu.exceptions import KombuError, OperationalError

from unmask_shared.errors import BrokerUnavailable
from unmask_shared.messages import PRIORITIES, QUEUE_OF_TASK, lists_of
from unmask_shared.settings import JobSettings

log = logging.getLogger(__name__)


def make_celery(settings: JobSettings) -> Celery:
    """Build a Celery application for at-least-once delivery over Redis.

    A task is acknowledged when it has ended, not when it was received, so a message outlives the
    worker that died with it: Redis hands it out again after the visibility timeout. Stages may
    run longer than that, because a lease on the video drops the copies (ADR 0004).
    """
    app = Celery("unmask", broker=settings.redis_url.get_secret_value(), set_as_current=False)
    app.conf.update(
        # Each queue with an exchange and key of its own: left to the defaults, all queues share one
        # exchange and every message reaches all of them.
        task_queues=[
            Queue(name, Exchange(name), routing_key=name)
            for name in sorted(set(QUEUE_OF_TASK.values()))
        ],
        task_routes={task: {"queue": queue} for task, queue in QUEUE_OF_TASK.items()},
        task_serializer="json",
        accept_content=["json"],
        task_ignore_result=True,
        task_acks_late=True,
        task_reject_on_worker_lost=True,
        task_time_limit=settings.stage_time_limit_s,
        worker_prefetch_multiplier=1,
        worker_hijack_root_logger=False,
        worker_cancel_long_running_tasks_on_connection_loss=False,
        # Gossip and mingle serve clusters that watch each other; here they only cost start-up time.
        worker_enable_remote_control=False,
        worker_send_task_events=False,
        broker_connection_retry_on_startup=True,
        broker_connection_max_retries=None,
        broker_transport_options={
            # A worker looks into the lists of its queue in this order, whenever it is free.
            "priority_steps": list(PRIORITIES),
            "sep": ":",
            "visibility_timeout": settings.visibility_timeout_s,
            # Look for timed-out messages every 10 s; by default every tenth look is a real one.
            "unacked_restore_throttle": 1,
            # Longer than any blocking pop, short enough to notice a dead server.
            "socket_timeout": 30,
            "socket_connect_timeout": 3,
            "socket_keepalive": True,
            "health_check_interval": 10,
        },
    )
    return app


def queued_videos(celery: Celery) -> set[str]:
    """Ids of the videos that a message in the broker is about, waiting or taken and not ended.

    Raises:
        BrokerUnavailable: The broker does not answer.
    """
    return _in_broker(celery, "video_id")


def queued_runs(celery: Celery) -> set[str]:
    """The same for training runs.

    Raises:
        BrokerUnavailable: The broker does not answer.
    """
    return _in_broker(celery, "run_id")


def _in_broker(celery: Celery, field: str) -> set[str]:
    """What the payloads of all messages have in this field."""
    found: set[str] = set()
    try:
        with celery.connection_for_read() as connection:
            channel: Any = connection.default_channel  # of the Redis transport
            with channel.conn_or_acquire() as client:
                # In this order: a message moves from its queue to those that were taken.
                for queue in set(QUEUE_OF_TASK.values()):
                    for waiting in lists_of(queue):
                        for message in client.lrange(waiting, 0, -1):
                            found |= _named_in(channel, message, field)
                for taken in client.hvals(channel.unacked_key):
                    found |= _named_in(channel, taken, field)
    except (redis.RedisError, OperationalError) as error:
        raise BrokerUnavailable("The queue cannot be read.") from error
    return found


def _named_in(channel: Any, text: bytes, field: str) -> set[str]:
    """What a message names; of those that were taken, the delivery comes with the message."""
    try:
        message = json.loads(text)
        if isinstance(message, list):
            message = message[0]
        _, payload, _ = channel.message_to_python(message).decode()
        return {payload[field]} if field in payload else set()
    # Whatever it is: no sweep shall stop because somebody else writes to this server.
    except (ValueError, TypeError, LookupError, AttributeError, KombuError) as error:
        log.warning("a message is passed over that nobody here sent: %s", type(error).__name__)
        return set()
