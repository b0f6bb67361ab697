// Sends a file; `fetch` cannot report how far it is, XMLHttpRequest can.

import { credentials } from "/static/key.js";
import { problemFrom, unreachable } from "/static/problem.js";

/** Names an attempt, so that sending it again after a broken connection makes no second video. */
export const newAttempt = () =>
  Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0"))
    .join("");

/**
 * Returns the video; null if `signal` was aborted. `options` is a form, whose fields go first, so
 * that a refused one costs no upload. `onProgress` gets the bytes that were sent, and all.
 */
export function upload(file, options, { attempt, signal, onProgress }) {
  const form = new FormData();
  for (const [name, value] of options) form.append(name, value);
  form.append("file", file);
  const request = new XMLHttpRequest();
  const done = new Promise((resolve, reject) => {
    request.upload.addEventListener("progress", (event) => {
      if (event.lengthComputable) onProgress(event.loaded, event.total);
    });
    request.addEventListener("error", () => reject(unreachable()));
    request.addEventListener("abort", () => resolve(null));
    request.addEventListener("load", () => {
      if (request.status === 202) resolve(JSON.parse(request.responseText));
      else {
        const wait = request.getResponseHeader("Retry-After");
        reject(problemFrom(request.status, request.responseText, wait));
      }
    });
  });
  signal.addEventListener("abort", () => request.abort(), { once: true });
  request.open("POST", "/videos");
  request.setRequestHeader("Idempotency-Key", attempt);
  for (const [name, value] of Object.entries(credentials())) request.setRequestHeader(name, value);
  request.send(form);
  return done;
}
