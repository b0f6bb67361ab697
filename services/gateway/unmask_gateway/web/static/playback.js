// The player, and the time in the video that everything else keeps in step with.

import { getBlob, videoPath } from "/static/api.js";
import { announce, tell } from "/static/dom.js";
import { getKey } from "/static/key.js";
import { Problem } from "/static/problem.js";
import { bytes } from "/static/words.js";

// Where a key is asked for, players cannot send it: the file is fetched whole.
const FETCHED_UNASKED_BYTES = 64 * 1024 * 1024;
const CANNOT_PLAY =
  "Your browser cannot play this kind of video. The timeline and the pictures work without it; " +
  "to watch it, download it and use another player.";

/** `time` can be asked for and sought also where the video cannot be played. */
export function makePlayback(context, view, video) {
  const player = view.querySelector("video");
  const screen = view.querySelector(".screen");
  const note = view.querySelector(".player-note");
  const { width, height, fps, duration_s: duration } = video.source;
  const listeners = new Set();
  let time = 0;
  let plays = true;

  screen.style.setProperty("--ratio", width / height);
  player.setAttribute("aria-label", video.source.filename);

  const tellAll = () => {
    if (plays && player.readyState > 0) time = player.currentTime;
    for (const listener of listeners) listener(time);
  };
  const giveUp = (text) => {
    plays = false;
    screen.classList.add("unplayable");
    player.hidden = true;
    tell(note, text);
  };

  let frame = 0;
  const keepTelling = () => {
    tellAll();
    if (!player.paused && !player.ended) frame = requestAnimationFrame(keepTelling);
  };
  player.addEventListener("play", () => {
    cancelAnimationFrame(frame);
    keepTelling();
  });
  for (const name of ["timeupdate", "seeking", "seeked", "pause", "ended"]) {
    player.addEventListener(name, tellAll);
  }
  player.addEventListener("loadedmetadata", () => {
    if (player.videoWidth === 0) giveUp(CANNOT_PLAY); // the sound alone
    else if (time > 0) player.currentTime = time;
  });
  player.addEventListener("error", async () => {
    if (context.signal.aborted || !player.getAttribute("src")) return;
    giveUp((await whyNot(video.id, context.signal)) ?? CANNOT_PLAY);
  });
  context.signal.addEventListener("abort", () => {
    cancelAnimationFrame(frame);
    player.removeAttribute("src");
    player.load();
  });

  load(context, view, video, player, giveUp);

  return {
    duration: Math.max(duration, 0.001),
    frameLength: fps > 0 ? 1 / fps : 0.04,
    get time() {
      return time;
    },
    seek(wanted) {
      time = Math.min(Math.max(wanted, 0), duration);
      if (plays) player.currentTime = time;
      for (const listener of listeners) listener(time);
    },
    pause: () => player.pause(),
    toggle() {
      if (!plays) return;
      if (player.paused) player.play().catch((error) => announce(error.message));
      else player.pause();
    },
    /** Calls with the time now and whenever it changes. */
    listen(listener) {
      listeners.add(listener);
      listener(time);
    },
  };
}

function load(context, view, video, player, giveUp) {
  const source = `${videoPath(video.id)}/source`;
  if (!getKey()) {
    player.src = source;
    return;
  }
  const note = view.querySelector(".player-note");
  const button = view.querySelector(".load-video");
  const fetchIt = async () => {
    button.hidden = true;
    tell(note, "Fetching the video.");
    try {
      const address = URL.createObjectURL(await getBlob(source, context.signal));
      context.signal.addEventListener("abort", () => URL.revokeObjectURL(address), { once: true });
      tell(note, "");
      player.src = address;
    } catch (error) {
      if (context.signal.aborted) return;
      if (!(error instanceof Problem)) throw error;
      tell(note, `${error.title}. ${error.action}`);
      button.textContent = "Try again";
      button.hidden = false;
    }
  };
  button.addEventListener("click", fetchIt);
  if (video.source.bytes <= FETCHED_UNASKED_BYTES) fetchIt();
  else {
    button.textContent = `Fetch the video to play it (${bytes(video.source.bytes)})`;
    button.hidden = false;
  }
}

/** What the server says, if it is not the format that keeps the video from being played. */
async function whyNot(id, signal) {
  if (getKey()) return null; // the whole file is here
  try {
    const answer = await fetch(`${videoPath(id)}/source`, { method: "HEAD", signal });
    return answer.ok ? null : "The file of the video cannot be read any more.";
  } catch {
    return "The server cannot be reached. Load this page again to play the video.";
  }
}
