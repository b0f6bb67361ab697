// Talks to the gateway. Every failure is a Problem with the words that the user gets to see.

export class Problem extends Error {
  constructor({ title, detail, action, status = 0 }) {
    super(detail);
    this.title = title;
    this.action = action;
    this.status = status;
  }
}

// Of this tab only: it is gone when the tab is closed, and other pages cannot read it.
const KEY = "unmask-key";

export const getKey = () => sessionStorage.getItem(KEY);

export function setKey(key) {
  if (key) sessionStorage.setItem(KEY, key);
  else sessionStorage.removeItem(KEY);
}

const credentials = () => (getKey() ? { Authorization: `Bearer ${getKey()}` } : {});

const unreachable = () =>
  new Problem({
    title: "The server cannot be reached",
    detail: "The connection broke before there was an answer.",
    action: "Check the network and try again.",
  });

function problemFrom(status, text) {
  try {
    return new Problem({ ...JSON.parse(text), status });
  } catch {
    return new Problem({
      title: "The server answered with an error",
      detail: `HTTP status ${status}.`,
      action: "Try again in a moment.",
      status,
    });
  }
}

/**
 * Starts an upload; `fetch` cannot report its progress, XMLHttpRequest can. `form` holds the
 * options, which go first, so that a refused one costs no upload.
 */
export function upload(file, form, onProgress) {
  const request = new XMLHttpRequest();
  form.append("file", file);
  const done = new Promise((resolve, reject) => {
    request.upload.addEventListener("progress", (event) => {
      if (event.lengthComputable) onProgress(event.loaded / event.total);
    });
    request.addEventListener("error", () => reject(unreachable()));
    request.addEventListener("abort", () => resolve(null));
    request.addEventListener("load", () => {
      if (request.status === 202) resolve(JSON.parse(request.responseText));
      else reject(problemFrom(request.status, request.responseText));
    });
  });
  request.open("POST", "/videos");
  for (const [name, value] of Object.entries(credentials())) request.setRequestHeader(name, value);
  request.send(form);
  return { done, cancel: () => request.abort() };
}

async function ask(path, signal) {
  try {
    const headers = { Accept: "application/json", ...credentials() };
    const response = await fetch(path, { signal, headers });
    return { response, text: await response.text() };
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw unreachable();
  }
}

/** Returns the video, and after how many milliseconds to ask again. */
export async function getVideo(id, signal) {
  const { response, text } = await ask(`/videos/${encodeURIComponent(id)}`, signal);
  if (!response.ok) throw problemFrom(response.status, text);
  return {
    video: JSON.parse(text),
    askAgainMs: Number(response.headers.get("Retry-After") ?? 1) * 1000,
  };
}

/** Returns an address under which the page can show a picture: images send no keys themselves. */
export async function getPicture(path) {
  if (!getKey()) return path;
  const response = await fetch(path, { headers: credentials() });
  if (!response.ok) throw problemFrom(response.status, await response.text());
  return URL.createObjectURL(await response.blob());
}

/** Returns what is down, in words; empty when everything is up. */
export async function getWhatIsDown(signal) {
  const { text } = await ask("/readyz", signal);
  const { checks } = JSON.parse(text);
  return Object.entries(checks)
    .filter(([, check]) => !check.ok)
    .map(([name, check]) => `${name.replace("_", " ")}: ${check.detail}`);
}
