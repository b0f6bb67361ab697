// What can be kept of a result: the report, the JSON, the video.

import { getBlob, videoPath } from "/static/api.js";
import { element, tell } from "/static/dom.js";
import { getKey } from "/static/key.js";
import { Problem } from "/static/problem.js";

export function addDownloads(context, view, video) {
  const path = videoPath(video.id);
  const files = [
    ["Download the report", `${path}/report`, `unmask-${video.id}.html`],
    ["Download the result (JSON)", path, `unmask-${video.id}.json`],
    ["Download the video", `${path}/source`, video.source.filename],
  ];
  const note = view.querySelector(".outcome-note");
  const links = files.map(([words, from, filename]) => {
    const link = element("a", { class: "button", href: from, download: filename }, words);
    link.addEventListener("click", (event) => {
      if (!getKey()) return; // the browser does it by itself
      event.preventDefault();
      save(from, filename, note, context.signal);
    });
    return link;
  });
  view.querySelector(".downloads").append(...links);
}

/** A link sends no key, so the file is fetched and then handed over. */
async function save(path, filename, note, signal) {
  tell(note, `Fetching ${filename}.`);
  try {
    const address = URL.createObjectURL(await getBlob(path, signal));
    element("a", { href: address, download: filename }).click();
    setTimeout(() => URL.revokeObjectURL(address), 60_000);
    tell(note, "");
  } catch (error) {
    if (signal.aborted) return;
    if (!(error instanceof Problem)) throw error;
    tell(note, `${error.title}. ${error.action}`);
  }
}
