"""Writes what an evaluation found into a folder."""

from pathlib import Path

from unmask_trainer.evaluation.assessment import Assessment
from unmask_trainer.evaluation.charts import draw_charts
from unmask_trainer.evaluation.document import FIGURES_FOLDER, METRICS_FILE
from unmask_trainer.evaluation.heatmaps import HEATMAPS_FOLDER
from unmask_trainer.evaluation.report import render_report

REPORT_FILE = "report.html"
MISTAKES_FOLDER = "mistakes"


def write_outputs(assessment: Assessment, out: Path, *, checkpoint: Path) -> Path:
    """Write `metrics.json`, `figures/`, `mistakes/`, `heatmaps/` and, last, `report.html`.

    Args:
        assessment: What was found.
        out: Created when missing; files of an earlier evaluation are replaced.
        checkpoint: The folder of the checkpoint that was measured.

    Returns:
        The report.
    """
    mistakes, heatmaps, figures = (
        out / name for name in (MISTAKES_FOLDER, HEATMAPS_FOLDER, FIGURES_FOLDER)
    )
    for folder in (mistakes, heatmaps, figures):
        folder.mkdir(parents=True, exist_ok=True)
        for stale in (*folder.glob("*.svg"), *folder.glob("*.png"), *folder.glob("*.jpg")):
            stale.unlink()
    for number, item in enumerate(assessment.worst, start=1):
        (mistakes / f"{number:02}.jpg").write_bytes(item.jpeg)
    for shown in assessment.heatmaps:
        (out / shown.example.picture).write_bytes(shown.jpeg)
    charts = draw_charts(assessment.document, figures)
    text = assessment.document.model_dump_json(indent=2)
    (out / METRICS_FILE).write_text(f"{text}\n", encoding="utf-8")
    report = out / REPORT_FILE
    report.write_text(
        render_report(assessment, charts, checkpoint_folder=checkpoint), encoding="utf-8"
    )
    return report
