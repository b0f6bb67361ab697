// Judges the same file with another model, or with heatmaps.

import { analyseAgain, listModels } from "/static/api.js";
import { element, tell } from "/static/dom.js";
import { Problem } from "/static/problem.js";

export function offerAnotherAnalysis(context, view, video) {
  const details = view.querySelector(".again");
  const form = view.querySelector(".again-form");
  const select = form.querySelector("select");
  const heatmaps = form.querySelector(".again-heatmaps");
  const note = view.querySelector(".outcome-note");
  heatmaps.checked = true;
  details.addEventListener(
    "toggle",
    async () => {
      try {
        fill(select, await listModels(context.signal), video);
      } catch (error) {
        if (context.signal.aborted) return;
        if (!(error instanceof Problem)) throw error;
        tell(note, `${error.title}. ${error.action}`);
      }
    },
    { once: true },
  );
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const wanted = { heatmaps: heatmaps.checked };
    if (select.value) wanted.model = select.value;
    try {
      const next = await analyseAgain(video.id, wanted);
      await context.go(`/app/videos/${next.id}`);
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      tell(note, `${error.title}: ${error.message} ${error.action}`);
    }
  });
}

function fill(select, models, { model }) {
  const isSame = (one) => model && one.name === model.name && one.version === model.version;
  const usable = models.filter((one) => one.problem === null);
  // Another model is what most people come for.
  const sorted = [...usable].sort((one, other) => isSame(one) - isSame(other));
  select.replaceChildren(
    ...sorted.map((one) => {
      const marks = [one.active ? "judges now" : "", isSame(one) ? "judged this result" : ""].filter(Boolean);
      const words = `${one.name} ${one.version}${marks.length > 0 ? ` (${marks.join(", ")})` : ""}`;
      return element("option", { value: `${one.name}/${one.version}` }, words);
    }),
  );
}
