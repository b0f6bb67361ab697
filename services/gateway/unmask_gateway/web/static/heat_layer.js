// Heatmaps on the frames that they were made of, where the face is.

import { addressOf } from "/static/api.js";
import { element } from "/static/dom.js";
import { Problem } from "/static/problem.js";
import { clock, nameOfFace } from "/static/words.js";

// How the pictures of faces lie in the boxes that the API tells: in sides of a box, the side of the
// square from hairline to chin, and how far its centre lies above the box's. Faces that are turned
// are drawn upright, so the place is close, not exact.
const SIDE_IN_BOXES = 1.03;
const CENTER_ABOVE = 0.11;
// One frame is too short to be seen, so it stays a moment before and after its own.
const SHOWN_S = 0.15;

export function layHeatmaps(context, view, video, { playback, margin }) {
  const { faces } = video.result;
  const layer = view.querySelector(".heat-layer");
  const toggle = view.querySelector(".heat-switch");
  const heatmaps = faces.flatMap((face) => face.heatmaps.map((one) => ({ ...one, face })));
  if (heatmaps.length === 0) return;
  toggle.hidden = false;
  const box = toggle.querySelector("input");
  box.addEventListener("change", () => (layer.hidden = !box.checked));

  const isFace = video.options.face_mode === "faces";
  const drawn = heatmaps.map((heatmap) => {
    const name = nameOfFace(heatmap.face, video.options);
    const image = element("img", { alt: `Heatmap of ${name} at ${clock(heatmap.time_s)}`, hidden: true });
    place(image, isFace ? squareOf(heatmap.box, margin) : heatmap.box, video.source);
    return { image, heatmap, fetched: false };
  });
  layer.append(...drawn.map(({ image }) => image));

  playback.listen((time) => {
    for (const one of drawn) {
      const near = Math.abs(time - one.heatmap.time_s) <= Math.max(SHOWN_S, playback.frameLength);
      one.image.hidden = !near;
      if (near && !one.fetched) {
        one.fetched = true;
        fetchInto(one.image, one.heatmap.picture, context.signal);
      }
    }
  });
}

function squareOf({ x, y, width, height }, margin) {
  const side = width * SIDE_IN_BOXES * (1 + 2 * margin);
  return {
    x: x + (width - side) / 2,
    y: y + (height - side) / 2 - CENTER_ABOVE * height,
    width: side,
    height: side,
  };
}

function place(image, { x, y, width, height }, source) {
  const sizes = {
    left: x / source.width,
    top: y / source.height,
    width: width / source.width,
    height: height / source.height,
  };
  for (const [name, share] of Object.entries(sizes)) image.style.setProperty(name, `${share * 100}%`);
}

async function fetchInto(image, path, signal) {
  try {
    image.src = await addressOf(path, signal);
  } catch (error) {
    if (!signal.aborted && !(error instanceof Problem)) throw error;
    // Its description stands in its place.
  }
}
