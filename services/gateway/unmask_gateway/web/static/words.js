// Verdicts, statuses and numbers in plain words.

const VERDICTS = {
  fake: ["This video looks forged", "At least one face shows traces of manipulation."],
  real: ["No forgery was found", "No face shows the traces that the model knows."],
  faces_too_small: ["The faces are too small", "They fill too few pixels to be judged. A larger version of the video may help."],
  faces_too_blurred: ["The faces are too blurred", "They show too little detail to be judged. A sharper version of the video may help."],
  too_little_usable: ["Too little can be judged", "Too few pictures of the video show a face well enough, or too few could be decoded."],
  score_in_band: ["Unmask cannot tell", "The traces are neither clear enough for a forgery nor against it."],
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

// A shape and words for each outcome, so that nothing depends on colours alone.
export const BADGES = {
  fake: ["!", "Looks forged"],
  real: ["✓", "No forgery found"],
  inconclusive: ["?", "Cannot tell"],
  queued: ["…", "Waiting"],
  preprocessing: ["…", "Finding faces"],
  inferring: ["…", "Judging faces"],
  completed: ["✓", "Finished"],
  failed: ["×", "Failed"],
  cancelled: ["–", "Cancelled"],
};

const KINDS = {
  fake: "looks forged",
  unsure: "cannot tell",
  real: "no sign of a forgery",
  judged: "judged",
  "not-judged": "not judged",
};

export const isFinal = (video) => ["completed", "failed", "cancelled"].includes(video.status);
export const isJudged = (part) => part.fake_probability !== null;
export const verdictInWords = ({ verdict, reason }) => VERDICTS[reason ?? verdict];
export const kindInWords = (kind) => KINDS[kind];

/** How a model calls a probability: `fake`, `real` or `unsure`; `judged` where that is not known. */
export function kindOf({ fake_probability: probability }, thresholds) {
  if (probability === null) return "not-judged";
  if (!thresholds) return "judged";
  if (probability > thresholds.fake_above) return "fake";
  return probability < thresholds.real_below ? "real" : "unsure";
}

/** Never more certain than it is. */
export function percent(fraction) {
  if (fraction > 0 && fraction < 0.005) return "under 1 %";
  if (fraction >= 0.995 && fraction < 1) return "over 99 %";
  return `${Math.round(fraction * 100)} %`;
}

/** The same for narrow places. */
export const shortPercent = (fraction) =>
  percent(fraction).replace("under ", "<").replace("over ", ">").replace(" ", "");

export function scoreOf(part) {
  if (isJudged(part)) return percent(part.fake_probability);
  const why = NOT_JUDGED[part.reason];
  return why ? `not judged: ${why}` : "not judged";
}

export const nameOfFace = (face, options) =>
  options.face_mode === "faces" ? `Face ${face.track_id + 1}` : "Whole pictures";

export function bytes(count) {
  const units = ["bytes", "KB", "MB", "GB", "TB"];
  const step = count > 0 ? Math.min(Math.floor(Math.log2(count) / 10), units.length - 1) : 0;
  const value = count / 1024 ** step;
  return `${step > 0 && value < 10 ? value.toFixed(1) : Math.round(value)} ${units[step]}`;
}

/** A time in a video: minutes, seconds and tenths. */
export function clock(seconds) {
  const tenths = Math.round(seconds * 10);
  const rest = ((tenths % 600) / 10).toFixed(1).padStart(4, "0");
  return `${Math.floor(tenths / 600)}:${rest}`;
}

/** A duration that is estimated. */
export function roughly(seconds) {
  if (seconds < 50) return `${Math.max(5, Math.ceil(seconds / 5) * 5)} seconds`;
  const minutes = Math.ceil(seconds / 60);
  return minutes === 1 ? "a minute" : `${minutes} minutes`;
}

export const count = (number) => number.toLocaleString("en");

export const date = (text) =>
  new Date(text).toLocaleString(undefined, { dateStyle: "medium", timeStyle: "short" });

export const interval = (value, ends) =>
  value === null || value === undefined
    ? "not known"
    : value.toFixed(2) + (ends ? ` (${ends.low.toFixed(2)} to ${ends.high.toFixed(2)})` : "");

export function coverageInWords(coverage, duration) {
  const { policy, clips, frames, missing_frames: missing, sampled_s: seen } = coverage;
  const seconds = (value) => value.toFixed(value < 100 ? 1 : 0);
  const lost = missing > 0 ? `; ${count(missing)} pictures could not be decoded` : "";
  if (policy === "uniform") {
    return `${count(frames)} pictures from ${seconds(duration)} seconds${lost}`;
  }
  if (duration - seen < 0.05) return `all ${seconds(duration)} seconds${lost}`;
  const places = clips === 1 ? "one place" : `${clips} places`;
  const gap = coverage.longest_gap_s;
  const longest = gap > 0 ? `; the longest stretch between them lasts ${seconds(gap)} seconds` : "";
  return `${seconds(seen)} of ${seconds(duration)} seconds, in ${places}${longest}${lost}`;
}
