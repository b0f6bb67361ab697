// The player, and the time in the video that everything else keeps in step with.

import { playbackOf, videoPath } from "/static/api.js";
import { announce, tell } from "/static/dom.js";
import { credentials, getKey } from "/static/key.js";
import { Problem } from "/static/problem.js";

const CANNOT_PLAY =
  "Your browser cannot play this kind of video. The timeline and the pictures work without it; " +
  "to watch it, download it and use another player.";

/** `time` can be asked for and sought also where the video cannot be played. */
export function makePlayback(context, view, video) {
  const player = view.querySelector("video");
  const screen = view.querySelector(".screen");
  const note = view.querySelector(".player-note");
  const button = view.querySelector(".load-video");
  const { width, height, fps, duration_s: duration } = video.source;
  const listeners = new Set();
  let time = 0;
  let plays = true;
  let hasLoaded = false;
  let goesOn = false;

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

  const play = () => player.play().catch((error) => announce(error.message));

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
  const load = async () => {
    hasLoaded = false;
    button.hidden = true;
    tell(note, "");
    try {
      player.src = await playbackOf(video.id, context.signal);
    } catch (error) {
      if (context.signal.aborted) return;
      if (!(error instanceof Problem)) throw error;
      tell(note, `${error.title}. ${error.action}`);
      button.hidden = false;
    }
  };
  button.addEventListener("click", load);
  player.addEventListener("loadedmetadata", () => {
    hasLoaded = true;
    if (player.videoWidth === 0) giveUp(CANNOT_PLAY); // the sound alone
    else if (time > 0) player.currentTime = time;
    if (goesOn) play();
  });
  player.addEventListener("error", async () => {
    if (context.signal.aborted || !player.getAttribute("src")) return;
    // With a key, the address ends after an hour: the video goes on from where it is.
    if (hasLoaded && getKey()) {
      goesOn = !player.paused;
      load();
    } else giveUp((await whyNot(video.id, context.signal)) ?? CANNOT_PLAY);
  });
  context.signal.addEventListener("abort", () => {
    cancelAnimationFrame(frame);
    player.removeAttribute("src");
    player.load();
  });

  load();

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
      if (player.paused) play();
      else player.pause();
    },
    /** Calls with the time now and whenever it changes. */
    listen(listener) {
      listeners.add(listener);
      listener(time);
    },
  };
}

/** What the server says, if it is not the format that keeps the video from being played. */
async function whyNot(id, signal) {
  try {
    const answer = await fetch(`${videoPath(id)}/source`, {
      method: "HEAD",
      headers: credentials(),
      signal,
    });
    return answer.ok ? null : "The file of the video cannot be read any more.";
  } catch {
    return "The server cannot be reached. Load this page again to play the video.";
  }
}
