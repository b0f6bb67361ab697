// Draws what is known onto the page. Values from the server only ever become text, never markup.

import { getPicture } from "/static/api.js";

const STAGES = ["uploading", "queued", "preprocessing", "inferring"];
const SECTIONS = ["key", "choose", "work", "outcome"];

const VERDICTS = {
  fake: ["This video looks forged", "At least one face shows traces of manipulation."],
  real: ["No forgery was found", "No face shows the traces that the model knows."],
  faces_too_small: ["The faces are too small", "They fill too few pixels to be judged. A larger version of the video may help."],
  faces_too_blurred: ["The faces are too blurred", "They show too little detail to be judged. A sharper version of the video may help."],
  too_little_usable: ["Too little can be judged", "Too few pictures of the video show a face well enough, or too few could be decoded."],
  score_in_band: ["Unmask cannot tell", "The traces are neither clear enough for nor against it."],
  no_face_found: ["No face was found", "Unmask judges faces, and found none in this video."],
  no_full_frame_model: ["Nothing was judged", "This server's model judges faces, not whole pictures."],
  no_face_model: ["Nothing was judged", "This server's model judges whole pictures, not faces."],
};

// Why a face or a stretch of time was not judged.
const NOT_JUDGED = {
  faces_too_small: "too small",
  faces_too_blurred: "too blurred",
  too_little_usable: "seen well for too short",
};

const byId = (id) => document.getElementById(id);
const percent = (fraction) => `${Math.round(fraction * 100)} %`;
const isJudged = (part) => part.fake_probability !== null;
const whyNot = (part) => `not judged, ${NOT_JUDGED[part.reason]}`;

export function bytes(count) {
  const units = ["bytes", "KB", "MB", "GB", "TB"];
  const step = count > 0 ? Math.min(Math.floor(Math.log2(count) / 10), units.length - 1) : 0;
  const value = count / 1024 ** step;
  return `${step > 0 && value < 10 ? value.toFixed(1) : Math.round(value)} ${units[step]}`;
}

function clock(seconds) {
  const tenths = Math.round(seconds * 10);
  const rest = ((tenths % 600) / 10).toFixed(1).padStart(4, "0");
  return `${Math.floor(tenths / 600)}:${rest}`;
}

function show(section) {
  for (const id of SECTIONS) byId(id).hidden = id !== section;
}

export function showChoice({ hasKey = false } = {}) {
  show("choose");
  byId("change-key").hidden = !hasKey;
}

export function showKeyForm(note = "") {
  show("key");
  byId("key-field").value = "";
  byId("key-note").textContent = note;
  byId("key-field").focus();
}

/** Shows a picture, which may need the key; one that cannot be had leaves its description. */
function showPicture(image, path, link = null) {
  getPicture(path).then(
    (address) => {
      image.src = address;
      if (link) link.href = address;
    },
    () => image.removeAttribute("src"),
  );
}

export function showWork({ filename, stage, progress, note = "", onCancel = null }) {
  show("work");
  byId("work-title").textContent = filename;
  const current = STAGES.indexOf(stage);
  for (const item of byId("stages").children) {
    const rank = STAGES.indexOf(item.dataset.stage);
    item.classList.toggle("done", rank < current);
    if (rank === current) item.setAttribute("aria-current", "step");
    else item.removeAttribute("aria-current");
  }
  byId("progress").value = progress;
  // A live region speaks whenever it is written to, so only what is new is written.
  if (byId("note").textContent !== note) byId("note").textContent = note;
  byId("cancel").hidden = onCancel === null;
  byId("cancel").onclick = onCancel;
}

function showOutcome({ tone, filename, title, text, action = "" }) {
  show("outcome");
  byId("outcome").className = `card ${tone}`;
  byId("outcome-file").textContent = filename;
  byId("outcome-title").textContent = title;
  byId("outcome-text").textContent = text;
  byId("outcome-action").textContent = action;
  byId("score").hidden = true;
  byId("faces").replaceChildren();
  byId("facts").replaceChildren();
  document.title = `${title} – Unmask`;
  byId("outcome-title").focus();
}

export function showProblem({ title, message, action }, filename = "") {
  showOutcome({ tone: "failed", filename, title, text: message, action });
}

export function showFinished(video) {
  const filename = video.source.filename;
  if (video.status === "failed") {
    const { title, detail, action } = video.failure;
    showOutcome({ tone: "failed", filename, title, text: detail, action });
  } else if (video.status === "cancelled") {
    showOutcome({ tone: "failed", filename, title: "This video was cancelled", text: "" });
  } else {
    const { verdict, reason, fake_probability: probability, faces } = video.result;
    const [title, text] = VERDICTS[reason ?? verdict];
    showOutcome({ tone: verdict, filename, title, text });
    if (probability !== null) {
      byId("score").hidden = false;
      byId("meter").value = probability;
      byId("percent").textContent = percent(probability);
    }
    byId("faces").replaceChildren(...faces.map((face) => drawFace(face, video)));
  }
  showFacts(video);
}

function drawFace(face, { source, options }) {
  const item = byId("face").content.cloneNode(true);
  const isFace = options.face_mode === "faces";
  const name = isFace ? `Face ${face.track_id + 1}` : "Whole pictures";
  const image = item.querySelector(".thumbnail");
  showPicture(image, face.thumbnail);
  image.alt = name;
  if (face.landmarks !== null) {
    const link = item.querySelector(".landmarks");
    link.hidden = false;
    showPicture(link.firstElementChild, face.landmarks, link);
    link.firstElementChild.alt = `${name} with its landmarks, in full size`;
  }
  const score = isJudged(face)
    ? `${percent(face.fake_probability)} probability of forgery`
    : whyNot(face);
  item.querySelector("h2").textContent = `${name}: ${score}`;
  item.querySelector("p").textContent = `Seen from ${clock(face.start_s)} to ${clock(face.end_s)}`;
  const length = Math.max(source.duration_s ?? 0, face.end_s, 0.001);
  item.querySelector("ol").replaceChildren(...face.segments.map((part) => drawSegment(part, length)));
  if (face.heatmaps.length > 0) {
    item.querySelector(".heatmaps-note").hidden = false;
    const list = item.querySelector(".heatmaps");
    list.hidden = false;
    list.replaceChildren(...face.heatmaps.map((heatmap) => drawHeatmap(heatmap, name)));
  }
  return item;
}

function drawHeatmap({ picture, time_s: time }, name) {
  const item = document.createElement("li");
  const link = document.createElement("a");
  const image = document.createElement("img");
  const caption = document.createElement("span");
  showPicture(image, picture, link);
  image.width = image.height = 96;
  image.loading = "lazy";
  image.alt = `Heatmap of ${name} at ${clock(time)}, in full size`;
  caption.textContent = clock(time);
  link.append(image);
  item.append(link, caption);
  return item;
}

function drawSegment(segment, length) {
  const bar = document.createElement("li");
  const label = document.createElement("span");
  const { start_s: start, end_s: end, fake_probability: probability } = segment;
  const score = isJudged(segment) ? percent(probability) : whyNot(segment);
  label.textContent = `${clock(start)} to ${clock(end)}: ${score}`;
  bar.title = label.textContent;
  bar.append(label);
  bar.style.setProperty("--from", start / length);
  bar.style.setProperty("--to", end / length);
  if (isJudged(segment)) bar.style.setProperty("--probability", probability);
  else bar.classList.add("not-judged");
  return bar;
}

function describeCoverage({ policy, clips, frames, missing_frames, sampled_s }, duration) {
  const seconds = (value) => value.toFixed(value < 100 ? 1 : 0);
  const lost = missing_frames > 0 ? `; ${missing_frames} pictures could not be decoded` : "";
  if (policy === "uniform") return `${frames} pictures from ${seconds(duration)} seconds${lost}`;
  if (duration - sampled_s < 0.05) return `All ${seconds(duration)} seconds${lost}`;
  const places = clips === 1 ? "one place" : `${clips} places`;
  return `${seconds(sampled_s)} of ${seconds(duration)} seconds, in ${places}${lost}`;
}

function showFacts({ id, source, model, result, timings_ms: timings }) {
  const facts = [["File", bytes(source.bytes)]];
  if (source.frames !== null) {
    const { width, height, fps, duration_s: duration, frames } = source;
    facts.push([
      "Video",
      `${width} × ${height}, ${clock(duration)} long, ${frames} frames, ${fps.toFixed(1)} per second`,
    ]);
  }
  if (result?.coverage) {
    facts.push(["Looked at", describeCoverage(result.coverage, source.duration_s)]);
  }
  if (model) facts.push(["Model", `${model.name} ${model.version}`]);
  const named = { queued: "waiting", preprocessing: "finding faces", inferring: "judging" };
  const took = Object.entries(named)
    .filter(([key]) => timings[key] !== null)
    .map(([key, name]) => `${(timings[key] / 1000).toFixed(1)} s ${name}`);
  if (took.length > 0) facts.push(["Time", took.join(", ")]);
  facts.push(["Id", id]);
  byId("facts").replaceChildren(
    ...facts.flatMap(([term, value]) => {
      const [dt, dd] = [document.createElement("dt"), document.createElement("dd")];
      dt.textContent = term;
      dd.textContent = value;
      return [dt, dd];
    }),
  );
}
