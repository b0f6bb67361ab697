// Small helpers for building the page. Values from the server only ever become text, never markup.

/** A copy of a template of index.html; a fragment. */
export const copyOf = (id) => document.getElementById(id).content.cloneNode(true);

/** An element with attributes; children are nodes or text. */
export function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === true) made.setAttribute(name, "");
    else if (value !== false && value !== null) made.setAttribute(name, value);
  }
  made.append(...children);
  return made;
}

export const fillList = (list, texts) =>
  list.replaceChildren(...texts.map((text) => element("li", {}, text)));

export const fillFacts = (list, facts) =>
  list.replaceChildren(
    ...facts.flatMap(([term, value]) => [element("dt", {}, term), element("dd", {}, value)]),
  );

/** Tells people who do not see the page; the same text is not told twice in a row. */
export function announce(text) {
  const announcer = document.getElementById("announcer");
  if (announcer.textContent !== text) announcer.textContent = text;
}

/** Shows a text, or hides its place where there is none. */
export function tell(place, text) {
  place.hidden = text === "";
  if (place.textContent !== text) place.textContent = text;
}

/** Waits; an aborted signal ends it early, and so does a network that is there again. */
export const pause = (ms, signal) =>
  new Promise((resolve) => {
    const done = () => {
      clearTimeout(timer);
      removeEventListener("online", done);
      signal.removeEventListener("abort", done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    addEventListener("online", done);
    signal.addEventListener("abort", done);
    if (signal.aborted) done();
  });
