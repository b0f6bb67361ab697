"""`fsck`: checks that the object store and Redis fit together, and mends what can be mended."""

import argparse
import json
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import timedelta
from typing import Final

from unmask_gateway.fsck.check import Check, Patience
from unmask_gateway.fsck.findings import Finding, LeftAloneError
from unmask_gateway.settings import GatewaySettings
from unmask_shared.broker import make_celery
from unmask_shared.job_store import make_job_store
from unmask_shared.object_store import make_object_store
from unmask_shared.settings import JobSettings, StoreSettings

CLEAN: Final = 0
FOUND: Final = 1
COULD_NOT_LOOK: Final = 2


def add_fsck_options(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    parser.add_argument("--repair", action="store_true", help="mend what can be mended safely")
    parser.add_argument("--json", action="store_true", help="one JSON object a line")
    parser.add_argument(
        "--deep", action="store_true", help="read every file and compare it with its hash"
    )


def run_fsck(options: argparse.Namespace) -> int:
    """Check everything that the environment names.

    Returns:
        The exit code: `FOUND` also where all was mended.

    Raises:
        DependencyUnavailable: The store, Redis or the queue does not answer.
    """
    found = mended = 0
    with _check_from_environment(deep=options.deep) as check:
        for finding in check.findings():
            found += 1
            done, why_not = _mend(finding) if options.repair else (None, _advice(finding))
            mended += done is not None
            _tell(finding, done, why_not, as_json=options.json)
    summary = {"videos": check.counts.videos, "found": found, "mended": mended}
    if options.json:
        sys.stdout.write(json.dumps({"summary": summary}) + "\n")
    else:
        sys.stdout.write(
            f"{summary['videos']} videos looked at: {found} findings, {mended} mended.\n"
        )
    return FOUND if found else CLEAN


@contextmanager
def _check_from_environment(*, deep: bool) -> Iterator[Check]:
    settings, job_settings = GatewaySettings(), JobSettings()
    store = make_object_store(StoreSettings())
    store.check()
    with (
        closing(make_job_store(job_settings)) as jobs,
        closing(make_celery(job_settings)) as celery,
    ):
        jobs.check()
        yield Check(
            store=store,
            jobs=jobs,
            celery=celery,
            settings=job_settings,
            patience=Patience(
                # The sweeper and the chores of a gateway come first.
                remains=2 * timedelta(seconds=settings.remains_patience_s),
                write=2 * timedelta(seconds=settings.abandoned_after_s),
                upload=timedelta(hours=settings.direct_upload_ttl_h),
            ),
            deep=deep,
        )


def _mend(finding: Finding) -> tuple[str | None, str]:
    if finding.mend is None:
        return None, _advice(finding)
    try:
        return finding.mend(), ""
    except LeftAloneError as error:
        return None, str(error)


def _advice(finding: Finding) -> str:
    return "--repair mends it" if finding.mend else "nothing but a person can mend it"


def _tell(finding: Finding, done: str | None, why_not: str, *, as_json: bool) -> None:
    if as_json:
        document = {
            "kind": finding.kind,
            "subject": finding.subject,
            "detail": finding.detail,
            "mended": done,
            "not_mended": None if done else why_not,
        }
        sys.stdout.write(json.dumps(document) + "\n")
    else:
        end = f"mended: {done}" if done else why_not
        sys.stdout.write(f"{finding.kind}  {finding.subject}  {finding.detail}  [{end}]\n")
    sys.stdout.flush()
