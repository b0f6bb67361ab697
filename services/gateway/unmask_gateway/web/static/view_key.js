// Asks for an API key, then goes on where people wanted to go.

import { copyOf, tell } from "/static/dom.js";
import { setKey } from "/static/key.js";

export function showKeyForm({ show, again }, note = "") {
  const view = copyOf("view-key");
  const form = view.querySelector("form");
  const field = view.querySelector("input");
  tell(view.querySelector(".key-note"), note);
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    setKey(field.value.trim());
    again();
  });
  show("Key", view);
  field.focus();
}
