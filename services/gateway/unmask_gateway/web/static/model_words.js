// What a model is, in short.

import { element } from "/static/dom.js";
import { count, percent } from "/static/words.js";

export function tagsOf({ active, built_in: builtIn, problem, summary }) {
  const tags = [];
  const what = summary?.face_mode === "full_frame" ? "whole pictures" : "faces";
  if (active) tags.push(element("span", { class: "tag active" }, `judges ${what} now`));
  if (builtIn) tags.push(element("span", { class: "tag" }, "came with this server"));
  if (problem) tags.push(element("span", { class: "tag bad" }, "cannot be used"));
  return tags;
}

export const addressOfModel = ({ name, version }) =>
  `/app/models/${encodeURIComponent(name)}/${encodeURIComponent(version)}`;

/** How often it was right on people that it had never seen. */
export function modelInWords(summary) {
  const what = summary.face_mode === "faces" ? "It judges faces." : "It judges whole pictures.";
  const told = summary.evaluations.find((one) => one.split === "test");
  if (!told || told.decided_accuracy === null) {
    return `${what} How often it is right is not recorded on its card.`;
  }
  return (
    `${what} On ${count(told.real + told.fake)} test videos it decided ${percent(told.decided_share)}, and ` +
    `${percent(told.decided_accuracy)} of these decisions were right.`
  );
}
