// Each face with its pictures, most suspicious moment and heatmaps.

import { addressOf } from "/static/api.js";
import { copyOf, element } from "/static/dom.js";
import { clock, isJudged, nameOfFace, percent, scoreOf } from "/static/words.js";

export function drawFaces(context, view, video, playback) {
  const { result, options } = video;
  const section = view.querySelector("#faces-title").closest("section");
  section.hidden = result.faces.length === 0;
  if (options.face_mode !== "faces") view.querySelector("#faces-title").textContent = "Pictures";
  view.querySelector(".faces").replaceChildren(
    ...result.faces.map((face) => drawFace(context, face, nameOfFace(face, options), { playback, view })),
  );
}

/** Shows a picture, which may need the key; one that cannot be had leaves its description. */
function showPicture(context, image, path, link = null) {
  addressOf(path, context.signal).then(
    (address) => {
      image.src = address;
      if (link) link.href = address;
    },
    () => image.removeAttribute("src"),
  );
}

function drawFace(context, face, name, { playback, view }) {
  const item = copyOf("face");
  const find = (selector) => item.querySelector(selector);
  const image = find(".thumbnail");
  image.alt = name;
  showPicture(context, image, face.thumbnail);
  if (face.landmarks !== null) {
    const link = find(".landmarks");
    link.hidden = false;
    link.firstElementChild.alt = `${name} with its landmarks, in full size`;
    showPicture(context, link.firstElementChild, face.landmarks, link);
  }
  find("h3").textContent = isJudged(face)
    ? `${name}: ${scoreOf(face)} probability of forgery`
    : `${name}: ${scoreOf(face)}`;
  find(".seen").textContent = `Seen from ${clock(face.start_s)} to ${clock(face.end_s)}.`;
  const screen = view.querySelector(".watch");
  const showMoment = (time) => {
    playback.pause();
    playback.seek(time);
    screen.scrollIntoView({ block: "start" });
  };
  const worst = worstOf(face.segments);
  if (worst) {
    const button = find(".worst");
    button.hidden = false;
    button.textContent = `Most suspicious moment: ${clock(worst.start_s)}, ${percent(worst.fake_probability)}`;
    button.addEventListener("click", () => showMoment(worst.start_s));
  }
  if (face.heatmaps.length > 0) {
    find(".heatmaps-note").hidden = false;
    const list = find(".heatmaps");
    list.hidden = false;
    // The middle of the frame, or rounding could lead to the one before.
    const show = ({ time_s: time }) => showMoment(time + playback.frameLength / 2);
    list.replaceChildren(...face.heatmaps.map((heatmap) => drawHeatmap(context, heatmap, name, show)));
  }
  return item;
}

function worstOf(segments) {
  const judged = segments.filter(isJudged);
  if (judged.length < 2) return null;
  return judged.reduce((worst, one) => (one.fake_probability > worst.fake_probability ? one : worst));
}

function drawHeatmap(context, heatmap, name, show) {
  const time = clock(heatmap.time_s);
  const image = element("img", { width: 96, height: 96, loading: "lazy", alt: `Heatmap of ${name} at ${time}` });
  showPicture(context, image, heatmap.picture);
  const button = element("button", { type: "button" }, image, element("span", {}, time));
  button.addEventListener("click", () => show(heatmap));
  return element("li", {}, button);
}
