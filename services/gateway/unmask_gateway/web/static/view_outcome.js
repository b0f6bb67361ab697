// The result of a video: verdict, player, timeline, faces, and what can be done with it.

import { getModel } from "/static/api.js";
import { element, copyOf, fillFacts } from "/static/dom.js";
import { offerAnotherAnalysis } from "/static/analysing_again.js";
import { addDownloads } from "/static/downloads.js";
import { drawFaces } from "/static/faces.js";
import { layHeatmaps } from "/static/heat_layer.js";
import { makePlayback } from "/static/playback.js";
import { Problem } from "/static/problem.js";
import { drawTimeline } from "/static/timeline.js";
import { drawVerdict } from "/static/verdict.js";
import { bytes, clock, count, coverageInWords, date } from "/static/words.js";

export async function showOutcome(context, video, { erase }) {
  const model = await modelOf(video, context.signal);
  if (context.signal.aborted) return;
  const view = copyOf("view-result");
  const find = (selector) => view.querySelector(selector);
  find(".result-head .filename").textContent = video.source.filename;
  if (video.analysis_of) {
    find(".analysis-of").hidden = false;
    find(".analysis-of a").href = `/app/videos/${video.analysis_of}`;
  }
  drawVerdict(view, video, model);
  const playback = makePlayback(context, view, video);
  layHeatmaps(context, view, video, { playback, margin: model?.summary.crop_margin ?? 0 });
  drawTimeline(context, view, video, { playback, thresholds: model?.summary.thresholds });
  drawFaces(context, view, video, playback);
  fillFacts(find("#facts-title ~ .facts"), factsOf(video));
  addDownloads(context, view, video);
  offerAnotherAnalysis(context, view, video);
  find(".erase").addEventListener("click", erase);
  context.show(find("h1").textContent, view);
}

/** The model's card; null for one that was never published, or that cannot be read. */
async function modelOf({ model }, signal) {
  if (!model) return null;
  try {
    return await getModel(model, signal);
  } catch (error) {
    if (signal.aborted || error instanceof Problem) return null;
    throw error;
  }
}

function factsOf({ id, created_at: created, source, model, result, timings_ms: timings }) {
  const facts = [["Sent", date(created)]];
  if (source.frames !== null) {
    const { width, height, fps, duration_s: duration, frames } = source;
    facts.push([
      "Video",
      `${width} × ${height}, ${clock(duration)} long, ${count(frames)} frames, ${fps.toFixed(1)} per second, ${bytes(source.bytes)}`,
    ]);
  }
  if (result.coverage) facts.push(["Looked at", coverageInWords(result.coverage, source.duration_s)]);
  if (model) {
    const address = `/app/models/${encodeURIComponent(model.name)}/${encodeURIComponent(model.version)}`;
    facts.push(["Model", element("a", { href: address }, `${model.name} ${model.version}`)]);
  }
  const named = { queued: "waiting", preprocessing: "finding faces", inferring: "judging" };
  const took = Object.entries(named)
    .filter(([key]) => timings[key] !== null)
    .map(([key, name]) => `${(timings[key] / 1000).toFixed(1)} s ${name}`);
  if (took.length > 0) facts.push(["Time", took.join(", ")]);
  facts.push(["SHA-256", source.sha256], ["Id", id]);
  return facts;
}
