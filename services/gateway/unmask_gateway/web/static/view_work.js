// How far a video is, from the upload to the judgement.

import { announce, copyOf, tell } from "/static/dom.js";

const STAGES = ["uploading", "queued", "preprocessing", "inferring"];

/** Makes the view and returns what changes it. */
export function makeWork({ filename, cancelWord, onCancel }) {
  const view = copyOf("view-work");
  const find = (selector) => view.querySelector(selector);
  const parts = {
    stages: [...view.querySelectorAll("[data-stage]")],
    progress: find("progress"),
    amounts: find(".amounts"),
    note: find(".note"),
    cancel: find(".cancel"),
    retry: find(".retry"),
    leave: find(".leave"),
  };
  find("h1").textContent = filename;
  parts.cancel.textContent = cancelWord;
  parts.cancel.addEventListener("click", onCancel);

  /** `progress` is null where nobody knows it. */
  function update({ stage, progress, note, amounts = "", mayLeave = false, onRetry = null }) {
    const current = STAGES.indexOf(stage);
    for (const item of parts.stages) {
      const rank = STAGES.indexOf(item.dataset.stage);
      item.classList.toggle("done", rank < current);
      if (rank === current) item.setAttribute("aria-current", "step");
      else item.removeAttribute("aria-current");
    }
    if (progress === null) parts.progress.removeAttribute("value");
    else parts.progress.value = progress;
    tell(parts.amounts, amounts);
    tell(parts.note, note);
    announce(note);
    parts.leave.hidden = !mayLeave;
    parts.retry.hidden = onRetry === null;
    parts.retry.onclick = onRetry;
  }
  return { view, update };
}
