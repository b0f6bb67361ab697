"""Builds the gate from settings."""

from unmask_gateway.access.gate import Gate
from unmask_gateway.access.key_store import KeyStore
from unmask_gateway.access.owners import VideoOwners
from unmask_gateway.access.rate_limits import RateLimits
from unmask_gateway.access.settings import AccessSettings
from unmask_shared.job_store import RedisJobStore
from unmask_shared.object_store import ObjectStore
from unmask_shared.settings import JobSettings


def make_gate(
    *,
    store: ObjectStore,
    jobs: RedisJobStore,
    keys: KeyStore,
    settings: AccessSettings,
    job_settings: JobSettings,
) -> Gate:
    """Build the gate without touching the network.

    Args:
        store: Where keys and videos are kept.
        jobs: Live views of the videos.
        keys: The keys.
        settings: Who may do what, and how often.
        job_settings: Names the Redis in which requests are counted.
    """
    return Gate(
        settings=settings,
        keys=keys,
        owners=VideoOwners(store=store, jobs=jobs),
        rates=RateLimits(job_settings.redis_url.get_secret_value(), settings.limits),
    )
