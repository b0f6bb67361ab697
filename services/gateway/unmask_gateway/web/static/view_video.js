// One video: how far it is, then what came out.

import { cancelVideo, eraseVideo, getWhatIsDown } from "/static/api.js";
import { confirm } from "/static/confirming.js";
import { announce, element } from "/static/dom.js";
import { follow } from "/static/following.js";
import { Problem } from "/static/problem.js";
import { refuse } from "/static/router.js";
import { showOutcome } from "/static/view_outcome.js";
import { makeWork } from "/static/view_work.js";
import { BADGES, isFinal } from "/static/words.js";

const SUSPICIOUS_WAIT_MS = 8000;
const NOTES = {
  queued: "The video was received and waits for its turn.",
  preprocessing: "Looking through the video for faces.",
  inferring: "Looking for traces of manipulation.",
};

export async function viewVideo(context, id) {
  let work = null;
  let last = { stage: "queued", progress: 0 };
  let since = Date.now();
  let checking = false;

  const draw = (what) => work.update({ mayLeave: true, ...last, ...what });
  const begin = (filename) => {
    work = makeWork({ filename, cancelWord: "Cancel", onCancel: () => cancel(context, id) });
    context.show(filename, work.view);
  };

  async function explainWait() {
    checking = true;
    try {
      const down = await getWhatIsDown(context.signal);
      const why = down.length > 0 ? `Not everything is running (${down.join("; ")}).` : "Others come first.";
      if (last.stage === "queued") draw({ note: `${NOTES.queued} ${why}` });
    } catch (error) {
      if (!context.signal.aborted && !(error instanceof Problem)) throw error;
      // What follows the video tells that the server is away.
    } finally {
      checking = false;
    }
  }
  const waiting = setInterval(() => {
    const waits = work !== null && last.stage === "queued" && Date.now() - since > SUSPICIOUS_WAIT_MS;
    if (waits && !checking) explainWait();
  }, 2000);
  context.signal.addEventListener("abort", () => clearInterval(waiting), { once: true });

  try {
    for await (const { video, lost, againMs } of follow(id, context.signal)) {
      if (context.signal.aborted) return;
      if (lost) {
        if (work === null) begin("A video");
        const note = `${lost.title}; trying again in ${Math.ceil(againMs / 1000)} s. ${lost.action}`;
        draw({ note, onRetry: () => dispatchEvent(new Event("online")) });
      } else if (isFinal(video)) {
        await showEnd(context, video, { isNews: work !== null });
      } else {
        if (work === null) begin(video.source.filename);
        if (video.status !== last.stage) since = Date.now();
        last = { stage: video.status, progress: video.progress };
        draw({ note: NOTES[video.status] });
      }
    }
  } finally {
    clearInterval(waiting);
  }
}

async function showEnd(context, video, { isNews }) {
  const { filename } = video.source;
  const erase = element("button", { type: "button", class: "danger" }, "Delete this video");
  erase.addEventListener("click", () => askToErase(context, video));
  if (video.status === "completed") {
    await showOutcome(context, video, { erase: () => askToErase(context, video) });
  } else if (video.status === "failed") {
    refuse(context, new Problem({ ...video.failure, status: 422, retryable: false }), { filename, more: [erase] });
  } else {
    const cancelled = new Problem({
      title: "This video was cancelled",
      detail: "It was not judged to its end.",
      action: "Its file is still on the server until you delete it.",
      status: 409,
    });
    refuse(context, cancelled, { filename, more: [erase] });
  }
  if (!isNews || context.signal.aborted) return;
  announce(`${BADGES[video.status][1]}: ${document.querySelector("main h1").textContent}`);
}

async function cancel(context, id) {
  const agreed = await confirm({
    title: "Cancel this video?",
    text: "It will not be judged. Its file stays on the server until you delete it.",
    yes: "Cancel the video",
    no: "Go on",
  });
  if (!agreed || context.signal.aborted) return;
  try {
    await cancelVideo(id);
  } catch (error) {
    // One that has just ended shows its outcome instead.
    if (error.code !== "video_already_ended") refuse(context, error, { retry: context.again });
  }
}

async function askToErase(context, video) {
  const agreed = await confirm({
    title: "Delete this video?",
    text: `${video.source.filename}, its faces and its result will be erased from this server. This cannot be undone.`,
    yes: "Delete it",
  });
  if (!agreed || context.signal.aborted) return;
  try {
    await eraseVideo(video.id);
    announce("The video was deleted.");
    await context.go("/app/videos");
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    if (error.status === 404) await context.go("/app/videos");
    else refuse(context, error, { filename: video.source.filename });
  }
}
