// Leads from a chosen file to its verdict. The address keeps the id, so a reload goes on there.

import { Problem, getKey, getVideo, getWhatIsDown, setKey, upload } from "/static/api.js";
import {
  bytes,
  showChoice,
  showFinished,
  showKeyForm,
  showProblem,
  showWork,
} from "/static/views.js";

const setting = (name) => document.querySelector(`meta[name="${name}"]`).content;
const MAX_BYTES = Number(setting("max-upload-bytes"));
const ASKS_FOR_KEY = setting("asks-for-key") === "true";
const SUSPICIOUS_WAIT_MS = 8000;
const LONGEST_PAUSE_MS = 10000;
const NOTES = {
  queued: "The video was received and waits for its turn.",
  preprocessing: "Looking through the video for faces.",
  inferring: "Looking for traces of manipulation.",
};

let following = new AbortController();

const pause = (ms, signal) =>
  new Promise((resolve) => {
    const timer = setTimeout(resolve, ms);
    signal.addEventListener("abort", () => (clearTimeout(timer), resolve()), { once: true });
  });

async function explainWait(signal) {
  const down = await getWhatIsDown(signal);
  return down.length > 0 ? `Not everything is running (${down.join("; ")}).` : "Others come first.";
}

/** Shows a video until nothing about it will change any more. */
async function follow(id) {
  following.abort();
  following = new AbortController();
  const { signal } = following;
  let filename = "";
  let status = "";
  let since = Date.now();
  let failures = 0;
  while (!signal.aborted) {
    try {
      const { video, askAgainMs } = await getVideo(id, signal);
      failures = 0;
      filename = video.source.filename;
      if (["completed", "failed", "cancelled"].includes(video.status)) {
        showFinished(video);
        return;
      }
      if (video.status !== status) {
        status = video.status;
        since = Date.now();
      }
      const waits = status === "queued" && Date.now() - since > SUSPICIOUS_WAIT_MS;
      const note = NOTES[status] + (waits ? ` ${await explainWait(signal)}` : "");
      showWork({ filename, stage: status, progress: video.progress, note });
      await pause(askAgainMs, signal);
    } catch (error) {
      if (signal.aborted) return;
      if (!(error instanceof Problem)) throw error;
      // A server that restarts or a network that is gone for a while loses nothing.
      if (error.status > 0 && error.status < 500) {
        refuse(error, filename);
        return;
      }
      failures += 1;
      const note = `${error.title}; trying again.`;
      showWork({ filename, stage: status || "queued", progress: 0, note });
      await pause(Math.min(1000 * 2 ** failures, LONGEST_PAUSE_MS), signal);
    }
  }
}

async function submit(file) {
  if (file.size > MAX_BYTES) {
    showProblem(
      new Problem({
        title: "The video is too large",
        detail: `It has ${bytes(file.size)}; this server takes up to ${bytes(MAX_BYTES)}.`,
        action: "Cut or re-encode it, and send it again.",
      }),
      file.name,
    );
    return;
  }
  const draw = (progress) =>
    showWork({
      filename: file.name,
      stage: "uploading",
      progress,
      note: progress < 1 ? "Sending the video." : "The server stores the video.",
      onCancel: () => sending.cancel(),
    });
  const sending = upload(file, new FormData(document.getElementById("options")), draw);
  draw(0);
  try {
    const video = await sending.done;
    if (video === null) {
      choose();
      return;
    }
    history.pushState(null, "", `/?video=${video.id}`);
    await follow(video.id);
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    refuse(error, file.name);
  }
}

const choose = () => showChoice({ hasKey: getKey() !== null });

/** Tells why the server refuses; a key that is not valid is asked for again. */
function refuse(problem, filename) {
  if (problem.status === 401) {
    setKey(null);
    showKeyForm(`${problem.title}. ${problem.action}`);
  } else {
    showProblem(problem, filename);
  }
}

function start() {
  following.abort();
  document.title = "Unmask";
  const id = new URLSearchParams(location.search).get("video");
  if (ASKS_FOR_KEY && getKey() === null) showKeyForm();
  else if (id) follow(id);
  else choose();
}

function listen() {
  const input = document.getElementById("file");
  const drop = document.getElementById("drop");
  input.addEventListener("change", () => {
    if (input.files.length > 0) submit(input.files[0]);
    input.value = "";
  });
  for (const name of ["dragenter", "dragover"]) {
    drop.addEventListener(name, () => drop.classList.add("over"));
  }
  for (const name of ["dragleave", "drop"]) {
    drop.addEventListener(name, () => drop.classList.remove("over"));
  }
  // A file that misses the field would replace the page.
  for (const name of ["dragover", "drop"]) {
    addEventListener(name, (event) => {
      if (event.target !== input) event.preventDefault();
    });
  }
  document.getElementById("key-form").addEventListener("submit", (event) => {
    event.preventDefault();
    setKey(document.getElementById("key-field").value.trim());
    start();
  });
  document.getElementById("change-key").addEventListener("click", () => {
    setKey(null);
    showKeyForm();
  });
  addEventListener("popstate", start);
  document.getElementById("limit").textContent = bytes(MAX_BYTES);
}

listen();
start();
