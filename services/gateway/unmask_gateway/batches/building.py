"""Builds what batches need."""

from dataclasses import dataclass

from unmask_gateway.access.settings import LimitSettings
from unmask_gateway.batches.batches import Batches
from unmask_gateway.batches.listing import BatchListing
from unmask_gateway.batches.open_batches import OpenBatches
from unmask_gateway.batches.runner import BatchRunner
from unmask_gateway.batches.view import BatchView
from unmask_gateway.json_submissions import JsonSubmissions
from unmask_gateway.lookup import VideoLookup
from unmask_gateway.submissions import Submissions
from unmask_gateway.webhooks.targets import WebhookTargets
from unmask_shared.job_store import RedisJobStore
from unmask_shared.object_store import ObjectStore


@dataclass(frozen=True, kw_only=True)
class Batching:
    """All of it.

    Attributes:
        batches: Keeps them.
        view: Describes them.
        listing: Lists them.
        runner: Makes videos of their items.
    """

    batches: Batches
    view: BatchView
    listing: BatchListing
    runner: BatchRunner


def make_batching(
    *,
    store: ObjectStore,
    jobs: RedisJobStore,
    lookup: VideoLookup,
    webhooks: WebhookTargets,
    submissions: Submissions,
    json_submissions: JsonSubmissions,
    limits: LimitSettings,
) -> Batching:
    """Build it without touching the network.

    Args:
        store: Where batches are kept.
        jobs: Live views of their videos.
        lookup: Finds videos that Redis does not know.
        webhooks: Checks where messages go.
        submissions: Queues videos.
        json_submissions: Accepts what the items name.
        limits: How many a key may have.
    """
    open_batches = OpenBatches(store, most_per_key=limits.open_batches_per_key)
    batches = Batches(store=store, jobs=jobs, webhooks=webhooks, open_batches=open_batches)
    return Batching(
        batches=batches,
        view=BatchView(batches=batches, jobs=jobs, lookup=lookup),
        listing=BatchListing(store, open_batches),
        runner=BatchRunner(
            store=store,
            jobs=jobs,
            batches=batches,
            open_batches=open_batches,
            submissions=submissions,
            json_submissions=json_submissions,
        ),
    )
