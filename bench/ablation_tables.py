"""Prints what the rows of `ablations.py` have come to, and how far they are from each other."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
from ablation_exams import HELD_OUT, METHODS, Exam
from numpy.typing import NDArray

from unmask_trainer.evaluation.bootstrap import IdentityBootstrap
from unmask_trainer.evaluation.document import Resampling
from unmask_trainer.evaluation.metrics import auc
from unmask_trainer.evaluation.samples import Facts, Sample
from unmask_trainer.evaluation.summary import estimate_auc

ROW_FILE, SCORES_FILE = "row.json", "scores.npz"

Interval = tuple[float | None, float | None, float | None]

_COLUMNS = (
    ("dfdc", "all", "DFDC validation"),
    ("congress", "all", "portraits"),
    *((HELD_OUT, method, method) for method in ("all", *METHODS)),
    ("dev", "all", "dev clips"),
)


def folder_of(name: str) -> str:
    return name.replace(" ", "-")


def aucs(exam: Exam, scores: NDArray[np.float64]) -> dict[str, Interval]:
    """AUC and the ends of its interval, of all forgeries and of each method."""
    found = {}
    for name, chosen in _parts(exam):
        people = exam.people[chosen]
        sample = Sample(
            labels=exam.labels[chosen],
            probabilities=1 / (1 + np.exp(-scores[chosen])),
            facts=tuple(Facts(dataset="exam", identities=(str(who),)) for who in people),
        )
        estimate = estimate_auc(sample, Resampling())
        found[name] = (estimate.value, estimate.low, estimate.high)
    return found


def gains(
    exam: Exam, scores: NDArray[np.float64], reference: NDArray[np.float64]
) -> dict[str, Interval]:
    """How much better `scores` are than `reference`, both of the same resampled people."""
    found = {}
    for name, chosen in _parts(exam):
        labels = exam.labels[chosen]
        people = IdentityBootstrap([(str(who),) for who in exam.people[chosen]])
        weights = np.vstack([np.ones((1, len(labels))), *people.weights()])
        both = [auc(labels, one[chosen], weights) for one in (scores, reference)]
        low, high = np.nanquantile((both[0] - both[1])[1:], [0.025, 0.975])
        found[name] = (float(both[0][0] - both[1][0]), float(low), float(high))
    return found


def _parts(exam: Exam) -> Iterator[tuple[str, NDArray[np.bool_]]]:
    yield "all", np.ones(len(exam.labels), bool)
    for method in sorted(set(exam.methods) - {""}):
        yield method, (exam.labels == 0) | (exam.methods == method)


def table(out: Path, references: Mapping[str, str], exams: Mapping[str, Exam]) -> str:
    """Markdown of all rows that have ended, and of their gains over the rows they refer to.

    Args:
        out: Has a folder for each row.
        references: Of each row, the one it is compared with; a row may refer to itself.
        exams: Those that the rows were measured on.
    """
    done = [name for name in references if (out / folder_of(name) / ROW_FILE).exists()]
    rows = {
        name: json.loads((out / folder_of(name) / ROW_FILE).read_text(encoding="utf-8"))
        for name in done
    }
    titles = [title for *_, title in _COLUMNS]
    lines = _head("row", "pictures", "processor s", *titles)
    for name, row in rows.items():
        cells = [name, f"{row['pictures']:,}", f"{sum(row['processor_s'].values()):.0f}"]
        lines.append(_line(*cells, *_cells(row["auc"], "{:.3f} ({:.3f} to {:.3f})")))
    lines += ["", *_head("row", "less", *titles)]
    for name in done:
        other = references[name]
        if other == name or other not in rows:
            continue
        mine, theirs = (np.load(out / folder_of(one) / SCORES_FILE) for one in (name, other))
        found = {exam: gains(exams[exam], mine[exam], theirs[exam]) for exam in exams}
        lines.append(_line(name, other, *_cells(found, "{:+.3f} ({:+.3f} to {:+.3f})")))
    return "\n".join(lines)


def _cells(found: Mapping[str, Mapping[str, Interval]], form: str) -> list[str]:
    cells = []
    for exam, part, _ in _COLUMNS:
        values = found.get(exam, {}).get(part, (None,))
        cells.append("-" if None in values else form.format(*values))
    return cells


def _head(*titles: str) -> list[str]:
    return [_line(*titles), "|---" * len(titles) + "|"]


def _line(*cells: str) -> str:
    return "| " + " | ".join(cells) + " |"
