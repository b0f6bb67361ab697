// Past videos, with filters and pages that are part of the address.

import { listVideos } from "/static/api.js";
import { copyOf, pause, tell } from "/static/dom.js";
import { Problem } from "/static/problem.js";
import { BADGES, bytes, date, isFinal, isJudged, percent } from "/static/words.js";

const PAGE = 20;
const REFRESH_MS = 2500;
const SHOWN_AS = {
  fake: [["verdict", "fake"]],
  real: [["verdict", "real"]],
  inconclusive: [["verdict", "inconclusive"]],
  unfinished: ["queued", "preprocessing", "inferring"].map((status) => ["status", status]),
  failed: [["status", "failed"]],
  cancelled: [["status", "cancelled"]],
};

export async function viewList(context) {
  const { url, signal } = context;
  const wanted = url.searchParams;
  const page = await listVideos(queryOf(wanted), signal);
  const view = copyOf("view-list");
  const list = view.querySelector(".videos");
  fillFilters(context, view, wanted);
  list.replaceChildren(...page.videos.map(drawVideo));
  tell(view.querySelector(".list-note"), noteOn(page, wanted));
  turnPages(view, page, wanted);
  context.show("Past videos", view);
  keepFresh(list, page, queryOf(wanted), signal);
}

function queryOf(wanted) {
  const query = new URLSearchParams({ limit: PAGE });
  for (const [name, value] of SHOWN_AS[wanted.get("show")] ?? []) query.append(name, value);
  if (wanted.get("name")) query.set("filename", wanted.get("name"));
  // Days as they are here, not in Greenwich.
  if (wanted.get("from")) query.set("created_after", midnight(wanted.get("from"), 0));
  if (wanted.get("to")) query.set("created_before", midnight(wanted.get("to"), 1));
  if (wanted.get("cursor")) query.set("cursor", wanted.get("cursor"));
  return query;
}

function midnight(day, daysLater) {
  const time = new Date(`${day}T00:00:00`);
  if (Number.isNaN(time.getTime())) {
    const detail = `${day} is not a date.`;
    throw new Problem({ title: "This is not a date", detail, action: "Write it as 2026-05-04.", status: 422 });
  }
  time.setDate(time.getDate() + daysLater);
  return time.toISOString();
}

function fillFilters(context, view, wanted) {
  const fields = Object.fromEntries(
    ["show", "name", "from", "to"].map((name) => [name, view.querySelector(`.filter-${name}`)]),
  );
  for (const [name, field] of Object.entries(fields)) field.value = wanted.get(name) ?? "";
  const apply = () => {
    const chosen = Object.entries(fields)
      .map(([name, field]) => [name, field.value.trim()])
      .filter(([, value]) => value !== "");
    const query = new URLSearchParams(chosen).toString();
    context.go(query ? `/app/videos?${query}` : "/app/videos");
  };
  view.querySelector(".filters").addEventListener("submit", (event) => {
    event.preventDefault();
    apply();
  });
  view.querySelector(".clear").hidden = wanted.size === 0;
}

function drawVideo(video) {
  const row = copyOf("video-row").firstElementChild;
  row.querySelector("a").href = `/app/videos/${video.id}`;
  row.querySelector(".video-name").textContent = video.filename || "without a name";
  row.querySelector(".video-meta").textContent = `${date(video.created_at)} · ${bytes(video.bytes)}`;
  row.dataset.id = video.id;
  update(row, video);
  return row;
}

function update(row, video) {
  const kind = video.verdict ?? video.status;
  const [shape, words] = BADGES[kind];
  const badge = row.querySelector(".badge");
  badge.className = `badge ${kind}`;
  badge.textContent = `${shape} ${words}`;
  const isScored = video.status === "completed" && isJudged(video);
  const progress = isFinal(video) ? "" : percent(video.progress);
  row.querySelector(".video-score").textContent = isScored ? percent(video.fake_probability) : progress;
}

function noteOn({ videos, next_cursor: next, complete }, wanted) {
  if (!complete) return "The list is being built anew: some videos may be missing for a moment.";
  if (videos.length > 0) return "";
  if (next !== null) return "None on this page; there may be some among the older ones.";
  const isFiltered = ["show", "name", "from", "to", "cursor"].some((name) => wanted.has(name));
  return isFiltered ? "No video is like that." : "There is no video yet. Those that you check appear here.";
}

function turnPages(view, page, wanted) {
  const first = new URLSearchParams(wanted);
  first.delete("cursor");
  const newest = view.querySelector(".first");
  newest.hidden = !wanted.has("cursor");
  newest.href = `/app/videos?${first}`;
  const next = view.querySelector(".next");
  next.hidden = page.next_cursor === null;
  if (page.next_cursor === null) return;
  const later = new URLSearchParams(wanted);
  later.set("cursor", page.next_cursor);
  next.href = `/app/videos?${later}`;
}

/** What is still worked on changes without a reload; what came or went since does not. */
async function keepFresh(list, page, query, signal) {
  let videos = page.videos;
  while (videos.some((video) => !isFinal(video))) {
    await pause(REFRESH_MS, signal);
    if (signal.aborted) return;
    try {
      ({ videos } = await listVideos(query, signal));
    } catch (error) {
      if (signal.aborted) return;
      if (!(error instanceof Problem)) throw error;
      continue; // the next time, perhaps
    }
    for (const video of videos) {
      const row = list.querySelector(`[data-id="${CSS.escape(video.id)}"]`);
      if (row) update(row, video);
    }
  }
}
