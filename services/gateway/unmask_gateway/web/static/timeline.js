// Each face's probability over the time of the video, in step with the player.

import { addressOf } from "/static/api.js";
import { element } from "/static/dom.js";
import { clock, isJudged, kindInWords, kindOf, nameOfFace, scoreOf, shortPercent } from "/static/words.js";

const STEP_S = 1;
const WIDE_STEP_S = 5;
const TICKS = 4;

export function drawTimeline(context, view, video, { playback, thresholds }) {
  const { result, options } = video;
  const place = view.querySelector(".timeline");
  const readout = view.querySelector(".readout");
  if (result.faces.length === 0) {
    place.hidden = true;
    readout.textContent = "There is no face to show over time.";
    view.querySelector(".legend").hidden = true;
    view.querySelector(".moments").hidden = true;
    return;
  }
  const tracks = result.faces.map((face) => ({
    face,
    name: nameOfFace(face, options),
    parts: face.segments.map((part) => ({ ...part, kind: kindOf(part, thresholds) })),
  }));
  const slider = makeSlider(playback, tracks);
  place.style.setProperty("--rows", tracks.length);
  place.append(
    ...tracks.flatMap((track, row) => drawRow(context, track, { row, duration: playback.duration })),
    slider,
    drawAxis(playback.duration),
  );
  view.querySelector(".legend").append(...legend(tracks));
  fillMoments(view, tracks, playback);

  playback.listen((time) => {
    const words = momentInWords(tracks, time);
    slider.style.setProperty("--at", time / playback.duration);
    slider.setAttribute("aria-valuenow", time.toFixed(1));
    slider.setAttribute("aria-valuetext", `${clock(time)}: ${words}`);
    readout.replaceChildren(element("strong", {}, clock(time)), ` ${words}`);
  });
}

const partAt = ({ parts }, time) => parts.find((part) => part.start_s <= time && time < part.end_s);

function momentInWords(tracks, time) {
  const told = tracks.map((track) => {
    const part = partAt(track, time);
    if (!part) return `${track.name}: not looked at here`;
    const words = isJudged(part) ? `${scoreOf(part)}, ${kindInWords(part.kind)}` : scoreOf(part);
    return `${track.name}: ${words}`;
  });
  return told.join("; ");
}

function drawRow(context, { face, name, parts }, { row, duration }) {
  const image = element("img", { alt: "", width: 40, height: 40, loading: "lazy" });
  addressOf(face.thumbnail, context.signal).then(
    (address) => (image.src = address),
    () => image.remove(), // the name stands beside it
  );
  const label = element(
    "div",
    { class: "track-label" },
    image,
    element("span", {}, element("strong", {}, name), element("span", { class: "muted" }, scoreOf(face))),
  );
  const track = element("div", { class: "track", "aria-hidden": true });
  for (const [number, part] of parts.entries()) {
    const next = parts[number + 1]?.start_s ?? duration;
    track.append(...drawPart(part, Math.max(next, part.end_s), duration));
  }
  for (const { time_s: time } of face.heatmaps) {
    const mark = element("span", { class: "heat-mark" });
    mark.style.setProperty("--from", time / duration);
    track.append(mark);
  }
  for (const one of [label, track]) one.style.setProperty("--row", row + 1);
  return [label, track];
}

/** A bar as high as its probability, and its figure where there is room for it. */
function drawPart(part, roomEnds, duration) {
  const bar = element("span", { class: `bar ${part.kind}` });
  const label = element("span", { class: "bar-label" }, element("span", {}, isJudged(part) ? shortPercent(part.fake_probability) : "–"));
  for (const one of [bar, label]) {
    one.style.setProperty("--from", part.start_s / duration);
    one.style.setProperty("--to", (one === bar ? part.end_s : roomEnds) / duration);
    one.style.setProperty("--probability", part.fake_probability ?? 1);
  }
  return [bar, label];
}

function drawAxis(duration) {
  const axis = element("div", { class: "axis muted", "aria-hidden": true });
  for (let tick = 0; tick <= TICKS; tick += 1) {
    const mark = element("span", {}, clock((duration * tick) / TICKS));
    mark.style.setProperty("--from", tick / TICKS);
    axis.append(mark);
  }
  return axis;
}

function makeSlider(playback, tracks) {
  const slider = element("div", {
    class: "playhead",
    role: "slider",
    tabindex: 0,
    "aria-label": "Time in the video",
    "aria-valuemin": 0,
    "aria-valuemax": playback.duration.toFixed(1),
  });
  const starts = [...new Set(tracks.flatMap(({ parts }) => parts.map((part) => part.start_s)))].sort(
    (one, other) => one - other,
  );
  const nextStart = (time) => starts.find((start) => start > time + 0.01) ?? playback.duration;
  const lastStart = (time) => starts.filter((start) => start < time - 0.01).at(-1) ?? 0;
  const keys = {
    ArrowRight: (time, wide) => time + (wide ? WIDE_STEP_S : STEP_S),
    ArrowUp: (time, wide) => time + (wide ? WIDE_STEP_S : STEP_S),
    ArrowLeft: (time, wide) => time - (wide ? WIDE_STEP_S : STEP_S),
    ArrowDown: (time, wide) => time - (wide ? WIDE_STEP_S : STEP_S),
    ".": (time) => time + playback.frameLength,
    ",": (time) => time - playback.frameLength,
    PageUp: nextStart,
    PageDown: lastStart,
    Home: () => 0,
    End: () => playback.duration,
  };
  slider.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === " ") playback.toggle();
    else if (event.key in keys) playback.seek(keys[event.key](playback.time, event.shiftKey));
    else return;
    event.preventDefault();
  });
  const seekTo = (event) => {
    const { left, width } = slider.getBoundingClientRect();
    playback.seek(((event.clientX - left) / width) * playback.duration);
  };
  slider.addEventListener("pointerdown", (event) => {
    if (event.button !== 0) return;
    slider.setPointerCapture(event.pointerId);
    seekTo(event);
  });
  slider.addEventListener("pointermove", (event) => {
    if (slider.hasPointerCapture(event.pointerId)) seekTo(event);
  });
  return slider;
}

function legend(tracks) {
  const kinds = new Set(tracks.flatMap(({ parts }) => parts.map((part) => part.kind)));
  const items = ["fake", "unsure", "real", "judged", "not-judged"]
    .filter((kind) => kinds.has(kind))
    .map((kind) => element("span", { class: "key" }, element("span", { class: `bar ${kind}`, "aria-hidden": true }), kindInWords(kind)));
  const hasHeat = tracks.some(({ face }) => face.heatmaps.length > 0);
  if (hasHeat) items.push(element("span", { class: "key" }, element("span", { class: "heat-mark", "aria-hidden": true }), "heatmap"));
  return [...items, element("span", {}, "No bar: not looked at. Click, drag, or use the arrow keys.")];
}

function fillMoments(view, tracks, playback) {
  const rows = tracks.flatMap(({ name, parts }) =>
    parts.map((part) => {
      const go = element("button", { type: "button", class: "link" }, `${clock(part.start_s)} to ${clock(part.end_s)}`);
      go.addEventListener("click", () => playback.seek(part.start_s));
      return element(
        "tr",
        {},
        element("td", {}, name),
        element("td", {}, go),
        element("td", {}, isJudged(part) ? scoreOf(part) : "–"),
        element("td", {}, isJudged(part) ? kindInWords(part.kind) : scoreOf(part)),
      );
    }),
  );
  view.querySelector(".moments tbody").append(...rows);
}
