// Which models there are.

import { listModels } from "/static/api.js";
import { copyOf, element, tell } from "/static/dom.js";
import { addressOfModel, modelInWords, tagsOf } from "/static/model_words.js";

export async function viewModels(context) {
  const models = await listModels(context.signal);
  const view = copyOf("view-models");
  const rows = models.map((model) => {
    const row = copyOf("model-row");
    const link = row.querySelector("a");
    link.textContent = `${model.name} ${model.version}`;
    link.href = addressOfModel(model);
    row.querySelector(".tags").append(...tagsOf(model));
    tell(row.querySelector(".model-problem"), model.problem?.detail ?? "");
    row.querySelector(".model-words").textContent = model.summary ? modelInWords(model.summary) : "";
    return row;
  });
  const none = element("li", { class: "card" }, "None yet: the first worker publishes its own when it starts.");
  view.querySelector(".models").replaceChildren(...(rows.length > 0 ? rows : [none]));
  context.show("Models", view);
}
