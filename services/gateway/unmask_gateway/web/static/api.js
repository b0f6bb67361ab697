// Asks the gateway. Every failure is a Problem.

import { credentials, getKey } from "/static/key.js";
import { problemFrom, unreachable } from "/static/problem.js";

/** Sends a request and returns the answer if it is a success. */
export async function ask(path, { method = "GET", body = null, headers = {}, signal } = {}) {
  const sent = { Accept: "application/json", ...credentials(), ...headers };
  if (body !== null) sent["Content-Type"] = "application/json";
  let response;
  try {
    response = await fetch(path, {
      method,
      headers: sent,
      body: body === null ? undefined : JSON.stringify(body),
      signal,
    });
    if (response.ok) return response;
    const text = await response.text();
    throw problemFrom(response.status, text, response.headers.get("Retry-After"));
  } catch (error) {
    throw error instanceof TypeError ? unreachable() : error;
  }
}

async function read(path, options) {
  const response = await ask(path, options);
  try {
    return { value: await response.json(), headers: response.headers };
  } catch (error) {
    throw error.name === "AbortError" ? error : unreachable();
  }
}

export const videoPath = (id) => `/videos/${encodeURIComponent(id)}`;

/** Returns the video, and after how many milliseconds to ask again. */
export async function getVideo(id, signal) {
  const { value, headers } = await read(videoPath(id), { signal });
  return { video: value, askAgainMs: Number(headers.get("Retry-After") ?? 1) * 1000 };
}

export const listVideos = async (query, signal) => (await read(`/videos?${query}`, { signal })).value;

export const cancelVideo = async (id) =>
  (await read(`${videoPath(id)}/cancel`, { method: "POST" })).value;

export const eraseVideo = (id) => ask(videoPath(id), { method: "DELETE" });

export const analyseAgain = async (id, wanted) =>
  (await read(`${videoPath(id)}/analyses`, { method: "POST", body: wanted })).value;

/** The same key for the same attempt brings the same video, however often it is sent. */
export const submitLink = async (wanted, key, signal) =>
  (await read("/videos", { method: "POST", body: wanted, headers: { "Idempotency-Key": key }, signal }))
    .value;

export const listModels = async (signal) => (await read("/models", { signal })).value.models;

export const modelPath = ({ name, version }) =>
  `/models/${encodeURIComponent(name)}/${encodeURIComponent(version)}`;

export const getModel = async (model, signal) => (await read(modelPath(model), { signal })).value;

export const activateModel = async ({ name, version }) =>
  (await read("/models/active", { method: "PUT", body: { name, version } })).value;

export async function getBlob(path, signal) {
  const response = await ask(path, { headers: { Accept: "*/*" }, signal });
  try {
    return await response.blob();
  } catch (error) {
    throw error.name === "AbortError" ? error : unreachable();
  }
}

/** An address for players, which send no key, and load a video piece by piece. */
export async function playbackOf(id, signal) {
  const path = videoPath(id);
  if (!getKey()) return `${path}/source`;
  return (await read(`${path}/playback`, { signal })).value.url;
}

/** An address under which the page can show a picture: those of the API need a key, too. */
export async function addressOf(path, signal) {
  if (!getKey()) return path;
  const address = URL.createObjectURL(await getBlob(path, signal));
  signal.addEventListener("abort", () => URL.revokeObjectURL(address), { once: true });
  return address;
}

/** What is down, in words; empty when everything is up. */
export async function getWhatIsDown(signal) {
  let text;
  try {
    text = await (await fetch("/readyz", { signal })).text();
  } catch (error) {
    throw error instanceof TypeError ? unreachable() : error;
  }
  return Object.entries(JSON.parse(text).checks)
    .filter(([, check]) => !check.ok)
    .map(([name, check]) => `${name.replace("_", " ")}: ${check.detail}`);
}
