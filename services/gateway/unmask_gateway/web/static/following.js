// Follows a video until nothing about it will change any more.

import { getVideo, videoPath } from "/static/api.js";
import { pause } from "/static/dom.js";
import { eventsOf } from "/static/event_stream.js";
import { Problem } from "/static/problem.js";
import { isFinal } from "/static/words.js";

const LONGEST_PAUSE_MS = 10_000;

/**
 * Yields `{ video }` whenever something changed, and `{ lost, againMs }` when the server cannot be
 * asked: one that restarts, or a network that is gone for a while, loses nothing. Throws the
 * Problem that will not pass. Where there are no events, it polls.
 */
export async function* follow(id, signal) {
  let failures = 0;
  let lastId = "";
  while (!signal.aborted) {
    try {
      const { video, askAgainMs } = await getVideo(id, signal);
      failures = 0;
      yield { video };
      if (isFinal(video)) return;
      let told = false;
      try {
        for await (const { event, id: eventId, data } of eventsOf(`${videoPath(id)}/events`, { lastId, signal })) {
          told = true;
          lastId = eventId;
          if (event !== "progress") break;
          const { status, progress } = JSON.parse(data);
          yield { video: { ...video, status, progress } };
        }
      } catch (error) {
        if (signal.aborted || !(error instanceof Problem) || !error.mayPass) throw error;
      }
      // Streams end by themselves now and then; one that tells nothing is as good as none.
      if (!told) await pause(askAgainMs, signal);
    } catch (error) {
      if (signal.aborted) return;
      if (!(error instanceof Problem) || !error.mayPass) throw error;
      failures += 1;
      const againMs = Math.max(error.waitS * 1000, Math.min(500 * 2 ** failures, LONGEST_PAUSE_MS));
      yield { lost: error, againMs };
      await pause(againMs, signal);
    }
  }
}
