// Why something did not work, what can be done about it, and a way on.

import { copyOf, element, pause } from "/static/dom.js";

/**
 * Shows a problem. `retry` does the same again; it is offered where that may help, once the server
 * allows it. `more` are further buttons.
 */
export function showProblem({ show, again, signal }, problem, { filename = "", retry = again, more = [] } = {}) {
  const view = copyOf("view-problem");
  view.querySelector(".filename").textContent = filename;
  view.querySelector("h1").textContent = problem.title;
  view.querySelector(".problem-detail").textContent = problem.message;
  view.querySelector(".problem-action").textContent = problem.action;
  const actions = view.querySelector(".actions");
  if (problem.mayPass) {
    const button = element("button", { type: "button", class: "primary" }, "Try again");
    button.addEventListener("click", retry);
    actions.append(button);
    if (problem.waitS > 0) countDown(button, problem.waitS, signal);
  }
  const kind = problem.mayPass ? "button" : "button primary";
  actions.append(element("a", { class: kind, href: "/" }, "Check another video"));
  if (problem.status === 404) {
    actions.append(element("a", { class: "button", href: "/app/videos" }, "Past videos"));
  }
  actions.append(...more);
  show(problem.title, view);
}

async function countDown(button, seconds, signal) {
  button.disabled = true;
  for (let left = seconds; left > 0 && !signal.aborted; left -= 1) {
    button.textContent = `Try again in ${left} s`;
    await pause(1000, signal);
  }
  button.textContent = "Try again";
  button.disabled = false;
}
