// A model's card: what it learned from, how well it does, where it fails.

import { activateModel, addressOf, getModel } from "/static/api.js";
import { confirm } from "/static/confirming.js";
import { copyOf, element, fillFacts, fillList, tell } from "/static/dom.js";
import { modelInWords, tagsOf } from "/static/model_words.js";
import { Problem } from "/static/problem.js";
import { count, date, interval, percent } from "/static/words.js";

export async function viewModel(context, name, version) {
  const model = await getModel({ name, version }, context.signal);
  const { card, summary } = model;
  const view = copyOf("view-model");
  const find = (selector) => view.querySelector(selector);
  find("h1").textContent = `${model.name} ${model.version}`;
  find(".tags").append(...tagsOf(model));
  if (model.problem) {
    find(".model-problem").hidden = false;
    find(".model-problem p").textContent = model.problem.detail;
  }
  find(".model-words").textContent = modelInWords(summary);
  fillFacts(find(".model-words + .facts"), factsOf(model));
  fillList(find(".limits"), summary.limits);
  find(".intended").textContent = card.intended_use ?? "";
  fillList(find(".out-of-scope"), card.out_of_scope_uses ?? []);
  find(".evaluation-data").textContent = card.evaluation_data ?? "";
  find(".measurements tbody").append(...measurements(card.evaluations));
  describeTraining(view, card.training_data);
  fillList(find(".ethics"), card.ethical_considerations ?? []);
  find(".licence").textContent = summary.licence;
  drawFigures(context, view, model.figures);
  offerActivation(context, view, model);
  context.show(`${model.name} ${model.version}`, view);
}

function factsOf({ published_at: published, summary, card }) {
  const { real_below: low, fake_above: high } = summary.thresholds;
  return [
    ["Published", date(published)],
    ["Verdicts", `real below ${percent(low)}, fake above ${percent(high)}, in between it cannot tell`],
    ["Looks at", `clips of ${summary.clip_length} frames, ${summary.input_size} × ${summary.input_size} pixels`],
    ["Network", card.architecture?.trunk ?? "not told"],
  ];
}

function measurements(evaluations) {
  return evaluations
    .filter((one) => one.level === "video")
    // Those first on which nothing was chosen.
    .sort((one, other) => other.split.startsWith("test") - one.split.startsWith("test"))
    .map((one) =>
      element(
        "tr",
        {},
        element("th", { scope: "row" }, one.split, ...(one.note ? [element("span", { class: "muted row-note" }, one.note)] : [])),
        element("td", {}, one.people ? count(one.people) : "–"),
        element("td", {}, `${count(one.real)} / ${count(one.fake)}`),
        element("td", {}, one.auc === null ? "–" : interval(one.auc, one.auc_interval)),
        element("td", {}, share(one.decided_share, one.decided_share_interval)),
        element("td", {}, share(one.decided_accuracy, one.decided_accuracy_interval)),
      ),
    );
}

function share(value, ends) {
  if (value === null || value === undefined) return "–";
  const around = ends ? ` (${Math.round(ends.low * 100)} to ${Math.round(ends.high * 100)})` : "";
  return `${Math.round(value * 100)} %${around}`;
}

function describeTraining(view, data) {
  if (!data) return;
  view.querySelector(".training").textContent = data.description;
  fillFacts(view.querySelector(".training-facts"), [
    ["People", count(data.people)],
    ["Real", `${count(data.videos_real)} videos`],
    ["Forged", `${count(data.videos_fake)} videos`],
  ]);
  view.querySelector(".manipulations p").textContent = data.manipulations.join(", ");
}

/** Captions for the figures that evaluations draw; others are called by their files. */
function nameOfFigure(file) {
  const [, shown, verdict] = file.match(/heatmaps\/\d+-(.+)-judged-(\w+)\.\w+$/) ?? [];
  if (shown) return `What it saw: ${shown.replaceAll(/[-_]/g, " ")}, judged ${verdict}`;
  const [kind, ...rest] = file.replace(/\.\w+$/, "").split("/").at(-1).split("-");
  const of = rest.join(" ");
  const set = Number.isInteger(Number(of)) ? `, data set ${Number(of) + 1}` : `, ${of}`;
  const captions = {
    loss: "Loss while it learned",
    accuracy: "Accuracy while it learned",
    confusion: `What was taken for what${set}`,
    reliability: `Probabilities against what was true${set}`,
    robustness: `How well it stands ${of}`,
    roc: "Forgeries found against false alarms (ROC)",
  };
  return captions[kind] ?? file;
}

function drawFigures(context, view, figures) {
  if (figures.length === 0) return;
  view.querySelector(".figures-card").hidden = false;
  const items = figures.map((path) => {
    const name = nameOfFigure(decodeURIComponent(path.split("/figures/")[1]));
    const image = element("img", { loading: "lazy", alt: `Diagram: ${name}`, width: 320 });
    const link = element("a", {}, image);
    addressOf(path, context.signal).then(
      (address) => {
        image.src = address;
        link.href = address;
      },
      () => image.removeAttribute("src"), // its description stays
    );
    return element("li", {}, element("figure", {}, link, element("figcaption", { class: "muted small" }, name)));
  });
  view.querySelector(".figures").append(...items);
}

function offerActivation(context, view, model) {
  const button = view.querySelector(".activate");
  const note = view.querySelector(".outcome-note");
  button.hidden = model.active || model.problem !== null;
  button.addEventListener("click", async () => {
    const agreed = await confirm({
      title: `Let ${model.name} ${model.version} judge?`,
      text: "It will judge the videos of its kind that are sent from now on, for everybody on this server.",
      yes: "Let it judge",
      no: "Leave it",
    });
    if (!agreed) return;
    try {
      await activateModel(model);
      context.again();
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      tell(note, `${error.title}: ${error.message} ${error.action}`);
    }
  });
}
