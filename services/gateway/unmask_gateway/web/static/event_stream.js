// Reads server-sent events with `fetch`: an EventSource could not send the API key.

import { ask } from "/static/api.js";
import { unreachable } from "/static/problem.js";

// The server says something every 15 seconds. Silence means that the way to it is broken, or that
// something in between keeps the events to itself.
const PATIENCE_MS = 40_000;

/** Yields `{ event, id, data }`; throws a Problem when it breaks. */
export async function* eventsOf(path, { lastId, signal }) {
  const silence = new AbortController();
  const both = AbortSignal.any([signal, silence.signal]);
  let timer = setTimeout(() => silence.abort(), PATIENCE_MS);
  try {
    const headers = { Accept: "text/event-stream", ...(lastId ? { "Last-Event-ID": lastId } : {}) };
    const response = await ask(path, { headers, signal: both });
    if (response.status === 204) return;
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
    let buffer = "";
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      clearTimeout(timer);
      timer = setTimeout(() => silence.abort(), PATIENCE_MS);
      buffer += value;
      const blocks = buffer.split(/\r?\n\r?\n/);
      buffer = blocks.pop();
      yield* blocks.map(parse).filter((event) => event.data !== "");
    }
  } catch (error) {
    if (signal.aborted) throw error;
    if (silence.signal.aborted || error instanceof TypeError) throw unreachable();
    throw error;
  } finally {
    clearTimeout(timer);
    silence.abort();
  }
}

function parse(block) {
  const event = { event: "message", id: "", data: "" };
  for (const line of block.split(/\r?\n/)) {
    const [, field, value] = /^(\w+): ?(.*)$/.exec(line) ?? [];
    if (field in event) event[field] = value;
  }
  return event;
}
