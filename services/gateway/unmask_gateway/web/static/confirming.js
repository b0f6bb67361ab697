// Asks before what cannot be undone.

/** Resolves to whether people want it; `yes` is what the button says. */
export function confirm({ title, text, yes, no = "Keep it" }) {
  const dialog = document.getElementById("confirmation");
  document.getElementById("confirmation-title").textContent = title;
  document.getElementById("confirmation-text").textContent = text;
  const [agree, refuse] = dialog.querySelectorAll("button");
  agree.textContent = yes;
  refuse.textContent = no;
  agree.onclick = () => dialog.close("yes");
  refuse.onclick = () => dialog.close("no");
  dialog.returnValue = "no";
  dialog.showModal();
  refuse.focus();
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => resolve(dialog.returnValue === "yes"), { once: true });
  });
}
