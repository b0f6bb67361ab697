// Addresses and views: each view has an address of its own, and the back button works.

import { announce, element } from "/static/dom.js";
import { setKey } from "/static/key.js";
import { Problem } from "/static/problem.js";
import { showKeyForm } from "/static/view_key.js";
import { showProblem } from "/static/view_problem.js";

const routes = [];
let leaving = new AbortController();
let address = location.href;
let shown = "";
let hasShown = false;
let mayLeave = null;

/** Serves addresses whose path matches: `view(context, ...groups)` shows something or throws. */
export const route = (pattern, view) => routes.push([pattern, view]);

/** Shows another address. */
export async function go(wanted, { replace = false } = {}) {
  if (!(await isFreeToLeave())) return;
  move(wanted, replace);
  await render();
}

function move(wanted, replace = false) {
  history[replace ? "replaceState" : "pushState"](null, "", wanted);
  address = location.href;
}

/** The browser has moved already; where people are not free to leave, that is undone. */
async function goBack() {
  const wanted = location.href;
  // To a place on this page, such as where the skip link leads.
  if (wanted.split("#")[0] === address.split("#")[0]) return;
  if (mayLeave !== null) {
    move(address);
    if (!(await isFreeToLeave())) return;
    move(wanted, true);
  }
  address = wanted;
  await render();
}

/** Shows the same address again. */
export const again = () => render();

async function isFreeToLeave() {
  if (mayLeave === null) return true;
  const free = await mayLeave();
  if (free) mayLeave = null;
  return free;
}

/**
 * What a view gets. `show` replaces the page, `signal` is aborted when people go elsewhere, and
 * `keepUntil(ask)` has `ask` confirm that they may.
 */
function makeContext(signal, onShown) {
  return {
    signal,
    url: new URL(location),
    go,
    again,
    keepUntil: (question) => {
      if (!signal.aborted) mayLeave = question;
    },
    show(title, ...nodes) {
      if (signal.aborted) return;
      onShown();
      const main = document.getElementById("main");
      const isFirst = !hasShown;
      hasShown = true;
      main.replaceChildren(...nodes);
      main.removeAttribute("aria-busy");
      document.title = title ? `${title} – Unmask` : "Unmask";
      if (isFirst) return;
      // The heading is where reading goes on, for those who use no eyes or no mouse.
      const heading = main.querySelector("h1");
      heading.tabIndex = -1;
      heading.focus({ preventScroll: true });
    },
  };
}

async function render() {
  leaving.abort();
  leaving = new AbortController();
  mayLeave = null;
  const { signal } = leaving;
  const main = document.getElementById("main");
  if (shown !== "" && shown !== location.pathname) scrollTo(0, 0);
  shown = location.pathname;
  markNavigation();
  main.setAttribute("aria-busy", "true");
  let isTold = false;
  const slow = setTimeout(() => {
    if (!hasShown) main.append(element("p", { class: "muted" }, "Loading…"));
    announce("Loading");
    isTold = true;
  }, 400);
  const context = makeContext(signal, () => {
    clearTimeout(slow);
    if (isTold) announce(""); // or the next time it would be no news
    isTold = false;
  });
  try {
    const [pattern, view] = routes.find(([one]) => one.test(location.pathname)) ?? [];
    if (!view) throw nowhere();
    await view(context, ...pattern.exec(location.pathname).slice(1).map(decodeURIComponent));
  } catch (error) {
    if (signal.aborted) return;
    if (!(error instanceof Problem)) {
      refuse(context, unexpected(error));
      throw error;
    }
    refuse(context, error);
  } finally {
    clearTimeout(slow);
  }
}

/** Tells why something does not work; a key that is not valid is asked for again. */
export function refuse(context, problem, options = {}) {
  if (problem.status === 401) {
    setKey(null);
    showKeyForm(context, `${problem.title}. ${problem.action}`);
  } else {
    showProblem(context, problem, options);
  }
}

const nowhere = () =>
  new Problem({
    title: "There is nothing at this address",
    detail: location.pathname,
    code: "route_not_found",
    status: 404,
  });

const unexpected = (error) =>
  new Problem({
    title: "This page has a fault",
    detail: String(error),
    action: "Load it again. If that does not help, tell whoever runs this server.",
  });

function markNavigation() {
  for (const link of document.querySelectorAll("nav[aria-label=Main] a")) {
    const path = new URL(link.href).pathname;
    const isHere = location.pathname === path || (path !== "/" && location.pathname.startsWith(`${path}/`));
    if (isHere) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
}

function isOurs(link, event) {
  const plain = event.button === 0 && !(event.ctrlKey || event.metaKey || event.shiftKey || event.altKey);
  if (!plain || link.hasAttribute("download") || link.target) return false;
  const path = link.origin === location.origin ? link.pathname : "";
  return routes.some(([pattern]) => pattern.test(path)) && !link.getAttribute("href").startsWith("#");
}

export function start() {
  document.addEventListener("click", (event) => {
    const link = event.target.closest?.("a[href]");
    if (!link || event.defaultPrevented || !isOurs(link, event)) return;
    event.preventDefault();
    go(link.href);
  });
  addEventListener("popstate", goBack);
  addEventListener("beforeunload", (event) => {
    if (mayLeave !== null) event.preventDefault();
  });
  render();
}
