"""The report: complete, self-contained, safe with any name, and no prouder than the figures."""

import re
from html.parser import HTMLParser
from itertools import pairwise

import pytest
from checkpoints import DEFAULT_CHECKPOINT as MODEL
from evaluations import CARD, QUICK, assessment, estimate, sample

from unmask_trainer.evaluation.assessment import Assessment
from unmask_trainer.evaluation.charts import draw_charts
from unmask_trainer.evaluation.document import Breakdown, Estimate, EvaluationDocument
from unmask_trainer.evaluation.outputs import write_outputs
from unmask_trainer.evaluation.report import render_report
from unmask_trainer.evaluation.slices import breakdown, slices
from unmask_trainer.evaluation.wording import gap_findings, headline, separation

HOSTILE = "<script>alert('x')</script><img src=http://evil.example/a.png>\"' & $x_1$"


class Page(HTMLParser):
    """Collects the elements, and checks that they are closed in order."""

    VOID = frozenset({"meta", "img", "br", "link", "input", "hr"})

    def __init__(self, html):
        super().__init__()
        self.elements, self.open, self.text = [], [], []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if "style" not in self.open:
            self.text.append(data)

    def all(self, tag):
        return [attrs for name, attrs in self.elements if name == tag]

    @property
    def words(self):
        return re.sub(r"\s+", " ", " ".join(self.text))


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    found = assessment(sample(skill=1.0))
    charts = draw_charts(found.document, tmp_path_factory.mktemp("figures"))
    return Page(render_report(found, charts, checkpoint_folder=MODEL))


def test_the_report_has_every_part_in_order(page):
    ids = [attrs["id"] for tag, attrs in page.elements if tag == "h2"]

    assert ids == [
        "short", "what", "figures", "methods", "curves", "groups", "sources", "robustness",
        "training", "mistakes", "heatmaps", "limits", "reading", "record",
    ]  # fmt: skip
    assert len(page.all("h1")) == 1
    assert page.open == []
    linked = [a["href"].removeprefix("#") for a in page.all("a")]
    assert linked == ids
    for text in (CARD.weights_sha256, "0" * 64, "1" * 64, "unmask_trainer evaluate models/default"):
        assert text in page.words


def test_the_report_can_be_read_without_seeing_it(page):
    assert page.all("html")[0]["lang"] == "en"
    assert all(image["alt"] for image in page.all("img"))
    assert all(cell["scope"] in {"col", "row"} for cell in page.all("th"))
    assert len(page.all("caption")) == len(page.all("table"))
    levels = [int(tag[1]) for tag, _ in page.elements if re.fullmatch("h[1-6]", tag)]
    assert all(b - a <= 1 for a, b in pairwise(levels))


def test_the_report_loads_nothing(page):
    for _, attrs in page.elements:
        for name in ("src", "href", "srcset", "action", "data"):
            assert re.match("data:image/|#", attrs.get(name) or "#")
    assert {tag for tag, _ in page.elements} & {"script", "link", "iframe", "object"} == set()
    (policy,) = [m for m in page.all("meta") if m.get("http-equiv")]
    assert policy["content"].startswith("default-src 'none'; img-src data:;")


def test_a_heatmap_is_captioned_and_explained(page):
    (picture,) = [image for image in page.all("img") if "heatmap" in image["alt"]]

    assert "fake/faces.webm" in picture["alt"]
    assert "Forgeries that were found" in page.words
    assert "Forged, 87 % fake verdict: fake fake/faces.webm" in page.words
    assert "a warm place need not be forged" in page.words


def test_the_probe_of_sources_says_what_is_best_and_which_source_looks_more_fake(page):
    (caption,) = re.findall(r"Real videos only, by light .*? AUC between them", page.words)

    assert caption.endswith("Looks more fake Looks less fake AUC between them")
    assert re.search(r"(dark|bright) 10 real (?!\1)(dark|bright) 10 real 0\.\d\d 0\.", page.words)
    assert "0.5 is best" in page.words


def test_hostile_names_stay_text(tmp_path):
    found = assessment(sample(skill=1.0, dataset=HOSTILE, method=HOSTILE), name=HOSTILE)
    charts = draw_charts(found.document, tmp_path)

    html = render_report(found, charts, checkpoint_folder=MODEL)

    page = Page(html)
    assert "<script" not in html
    assert "<img src=http" not in html
    assert page.all("script") == []
    assert HOSTILE in "".join(page.text)
    assert all(image["src"].startswith("data:image/") for image in page.all("img"))


def test_a_card_cannot_have_files_outside_of_its_folder_embedded(tmp_path):
    (tmp_path / "secret.png").write_bytes(b"secret")
    folder = tmp_path / "checkpoint"
    folder.mkdir()
    found = assessment(sample(skill=1.0))
    card = CARD.model_copy(update={"figures": ("../secret.png", "missing.png")})
    found = Assessment(document=found.document, videos=(), card=card, worst=())

    html = render_report(found, (), checkpoint_folder=folder)

    assert "c2VjcmV0" not in html
    assert 'id="training"' not in html


def test_figures_of_earlier_evaluations_are_no_curves_of_training(tmp_path):
    figures = ("figures/loss.png", "figures/evaluation/roc.png")
    for name in figures:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"picture")
    card = CARD.model_copy(update={"figures": figures})
    found = assessment(sample(skill=1.0))
    found = Assessment(document=found.document, videos=(), card=card, worst=())

    page = Page(render_report(found, (), checkpoint_folder=tmp_path))

    assert [image["alt"][:13] for image in page.all("img")] == ["Curve of loss"]


def test_what_was_not_measured_has_no_part(tmp_path):
    found = assessment(sample(skill=1.0, fakes=False), robust=False)
    document = found.document.model_copy(update={"breakdowns": (), "source_probes": ()})
    found = Assessment(document=document, videos=(), card=CARD, worst=())

    charts = draw_charts(document, tmp_path)
    page = Page(render_report(found, charts, checkpoint_folder=tmp_path))

    ids = {attrs["id"] for tag, attrs in page.elements if tag == "h2"}
    absent = {"methods", "groups", "sources", "robustness", "training", "heatmaps"}
    assert ids & absent == set()
    assert "not defined" in page.words
    assert "There are no forged videos" in page.words
    assert not any(chart.path.name == "roc.svg" for chart in charts)


def test_weak_results_read_as_weak():
    assert "guessing" in separation(estimate(0.6, 0.45, 0.75))
    assert separation(estimate(0.95, 0.48, 1.0)).startswith("Not shown to be any better")
    assert separation(estimate(0.66, 0.61, 0.71)) == "Weak."
    assert separation(estimate(0.3, 0.2, 0.4)).startswith("Worse than guessing")
    assert separation(Estimate(value=None, low=None, high=None)).startswith("Real and forged can")
    assert separation(estimate(0.99, 0.98, 1.0)) == "Very good."


def test_a_headline_counts_and_warns_of_few_people():
    drawn = sample(skill=6.0, people=6)
    (part, *_) = slices(drawn, "video", CARD.thresholds, QUICK)

    sentences = " ".join(headline(part))

    assert "0 of the 3 real videos are called fake: 0 %" in sentences
    assert "Only 6 people or sources" in sentences
    assert "Very good" not in sentences


def test_gaps_are_only_claimed_where_the_data_shows_them():
    none = breakdown(sample(skill=1.0), "light", CARD.thresholds, QUICK)
    alone = breakdown(sample(skill=1.0), "missing", CARD.thresholds, QUICK)

    assert gap_findings(none)[0].startswith("No difference between the groups is shown")
    assert (alone.unknown, alone.groups) == (40, ())
    assert gap_findings(alone) == ["There are not two groups to compare."]
    few = breakdown(sample(skill=1.0, people=3), "light", CARD.thresholds, QUICK)
    assert gap_findings(few) == ["Too little data to compare the groups."]
    shown = none.gaps[0].model_copy(
        update={
            "gaps": {
                "false_positive_rate": Estimate(value=0.3, low=0.1, high=0.5),
                "false_negative_rate": Estimate(value=-0.2, low=-0.4, high=-0.1),
            }
        }
    )
    found = gap_findings(Breakdown(column="light", unknown=0, groups=(), gaps=(shown,)))
    assert found == [
        "Of bright, real videos are taken for fake more often than of the others, by 30 "
        "percentage points.",
        "Of bright, forged videos are missed less often than of the others, by 20 percentage "
        "points.",
    ]


def test_everything_is_written_and_older_pictures_go(tmp_path):
    (tmp_path / "figures").mkdir()
    (tmp_path / "figures" / "reliability-9.svg").write_text("old")
    (tmp_path / "heatmaps").mkdir()
    (tmp_path / "heatmaps" / "09.jpg").write_text("old")
    found = assessment(sample(skill=1.0))

    report = write_outputs(found, tmp_path, checkpoint=MODEL)

    written = EvaluationDocument.model_validate_json((tmp_path / "metrics.json").read_bytes())
    assert written == found.document
    assert report.stat().st_size > 10_000
    assert sorted(path.name for path in (tmp_path / "figures").glob("*.svg")) == [
        "confusion-0.svg", "reliability-0.svg", "robustness-jpeg.svg", "roc.svg",
    ]  # fmt: skip
    assert (tmp_path / "figures" / "roc.png").read_bytes().startswith(b"\x89PNG")
    assert [path.name for path in (tmp_path / "mistakes").iterdir()] == ["01.jpg"]
    assert [path.name for path in (tmp_path / "heatmaps").iterdir()] == ["01.jpg"]


def test_the_same_figures_draw_the_same_pictures(tmp_path):
    found = assessment(sample(skill=1.0)).document
    first = draw_charts(found, tmp_path / "first")
    again = draw_charts(found, tmp_path / "again")

    for one, other in zip(first, again, strict=True):
        assert one.path.read_bytes() == other.path.read_bytes()
