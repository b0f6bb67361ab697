// The verdict in plain words, how sure it is, and what it does not prove.

import { fillList } from "/static/dom.js";
import { BADGES, count, coverageInWords, percent, verdictInWords } from "/static/words.js";

export function drawVerdict(view, video, model) {
  const { result, source } = video;
  const [title, text] = verdictInWords(result);
  const find = (selector) => view.querySelector(selector);
  find(".verdict").classList.add(result.verdict);
  [find(".verdict-icon").textContent] = BADGES[result.verdict];
  find("h1").textContent = title;
  find(".verdict-text").textContent = text;
  if (result.fake_probability !== null) drawScale(find(".scale"), result, model?.summary.thresholds);
  find(".sureness").textContent = surenessOf(result, model);
  fillList(find(".not-proved"), notProved(result, source));
}

function drawScale(scale, { fake_probability: probability, faces }, thresholds) {
  scale.hidden = false;
  scale.querySelector(".percent").textContent = percent(probability);
  const judged = faces.filter((face) => face.fake_probability !== null);
  scale.querySelector(".scale-of").textContent = judged.length > 1 ? ", of the most suspicious face" : "";
  const bar = scale.querySelector(".scale-bar");
  scale.querySelector(".scale-marker").style.setProperty("--at", probability);
  const zones = thresholds
    ? `; up to ${percent(thresholds.real_below)} counts as no sign of a forgery, from ${percent(thresholds.fake_above)} on as forged`
    : "";
  bar.setAttribute("aria-label", `${percent(probability)} on a scale from 0 to 100 %${zones}`);
  scale.classList.toggle("with-zones", Boolean(thresholds));
  if (!thresholds) return;
  scale.style.setProperty("--real-below", thresholds.real_below);
  scale.style.setProperty("--fake-above", thresholds.fake_above);
}

function surenessOf({ fake_probability: probability }, model) {
  if (probability === null) return "No face was judged, so there is no probability to be sure of.";
  const summary = model?.summary;
  const zones = summary
    ? `This model speaks of a forgery above ${percent(summary.thresholds.fake_above)}, of none below ${percent(summary.thresholds.real_below)}, and leaves it open in between. `
    : "";
  const told = summary?.evaluations.find((one) => one.split === "test");
  if (!told || told.decided_accuracy === null) {
    return `${zones}How often this model is right is not recorded here.`;
  }
  const people = told.people ? ` of ${count(told.people)} people` : "";
  return (
    `${zones}On ${count(told.real + told.fake)} test videos${people} that it had never seen it decided ` +
    `${percent(told.decided_share)}, and ${percent(told.decided_accuracy)} of these decisions were right. ` +
    "On other kinds of videos it may do worse."
  );
}

function notProved({ verdict, coverage }, source) {
  const always = [
    "It says nothing about voices, backgrounds, captions, or who made the video and why.",
    "Nobody should decide about a person on its word alone.",
  ];
  const first = {
    fake: "It is a hint, not a proof: genuine videos are called forged, too. Compression, filters and retouching can mislead it.",
    real: "It does not make the video genuine: a forgery of a kind that the model has not seen leaves no trace that it knows.",
    inconclusive: "It speaks neither for nor against the video.",
  }[verdict];
  if (!coverage) return [first, ...always];
  return [first, `Unmask looked at ${coverageInWords(coverage, source.duration_s)}.`, ...always];
}
