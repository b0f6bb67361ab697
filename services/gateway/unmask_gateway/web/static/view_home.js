// Where a video is chosen or linked to, and sent.

import { submitLink } from "/static/api.js";
import { confirm } from "/static/confirming.js";
import { copyOf } from "/static/dom.js";
import { getKey, setKey } from "/static/key.js";
import { Problem } from "/static/problem.js";
import { refuse } from "/static/router.js";
import { newAttempt, upload } from "/static/uploading.js";
import { makeWork } from "/static/view_work.js";
import { bytes, roughly } from "/static/words.js";

const MAX_BYTES = Number(document.querySelector('meta[name="max-upload-bytes"]').content);

export function viewHome(context) {
  const view = copyOf("view-home");
  const find = (selector) => view.querySelector(selector);
  const [input, drop, optionsForm] = [".file", ".drop", ".options-form"].map(find);
  find(".limit").textContent = bytes(MAX_BYTES);
  const options = () => [...new FormData(optionsForm)];

  input.addEventListener("change", () => {
    if (input.files.length > 0) choose(context, [...input.files], options());
    input.value = "";
  });
  // Chromium opens it with the space bar only.
  input.addEventListener("keydown", (event) => {
    if (event.key === "Enter") input.click();
  });
  listenForDrops(context, drop, input, options);
  find(".link-form").addEventListener("submit", (event) => {
    event.preventDefault();
    sendLink(context, event.target.querySelector("input").value.trim(), options());
  });
  const changeKey = find(".change-key");
  changeKey.hidden = getKey() === null;
  changeKey.addEventListener("click", () => {
    setKey(null);
    context.again();
  });
  context.show("", view);
}

/** Files may be dropped anywhere: one that misses the field would replace the page. */
function listenForDrops(context, drop, input, options) {
  const { signal } = context;
  const stay = (event) => {
    if (event.target !== input) event.preventDefault();
    drop.classList.add("over");
  };
  const leave = (event) => {
    if (event.relatedTarget === null) drop.classList.remove("over");
  };
  addEventListener("dragenter", stay, { signal });
  addEventListener("dragover", stay, { signal });
  addEventListener("dragleave", leave, { signal });
  addEventListener(
    "drop",
    (event) => {
      drop.classList.remove("over");
      if (event.target === input) return; // the field takes it by itself
      event.preventDefault();
      const files = [...event.dataTransfer.files];
      if (files.length > 0 && drop.isConnected) choose(context, files, options());
    },
    { signal },
  );
}

function choose(context, files, options) {
  const [file] = files;
  const filename = file.name;
  if (files.length > 1) {
    refuse(context, local("One video at a time", `These are ${files.length} files.`, "Choose one of them."));
  } else if (file.size === 0) {
    refuse(context, local("The file is empty", "It has no bytes.", "Choose another one."), { filename });
  } else if (file.size > MAX_BYTES) {
    const detail = `It has ${bytes(file.size)}; this server takes up to ${bytes(MAX_BYTES)}.`;
    const action = "Cut or re-encode it, and send it again.";
    refuse(context, local("The video is too large", detail, action), { filename });
  } else {
    sendFile(context, file, options, newAttempt());
  }
}

const local = (title, detail, action) => new Problem({ title, detail, action, status: 400 });

function sendFile(context, file, options, attempt) {
  const startedAt = performance.now();
  return send(context, {
    filename: file.name,
    cancelWord: "Cancel the upload",
    first: { progress: 0, note: "Sending the video." },
    start: (signal, update) =>
      upload(file, options, {
        attempt,
        signal,
        onProgress(sent, all) {
          const note = sent < all ? "Sending the video." : "The server stores the video.";
          update({ progress: sent / all, note, amounts: amounts(sent, all, startedAt) });
        },
      }),
    retry: () => sendFile(context, file, options, attempt),
  });
}

function amounts(sent, all, startedAt) {
  const seconds = (performance.now() - startedAt) / 1000;
  const left = ((all - sent) * seconds) / Math.max(sent, 1);
  const rest = sent < all && seconds > 2 ? `, about ${roughly(left)} left` : "";
  return `${bytes(sent)} of ${bytes(all)}${rest}`;
}

function sendLink(context, address, options, attempt = newAttempt()) {
  const wanted = { source_url: address };
  for (const [name, value] of options) wanted[name] = name === "face_mode" ? value : value === "true";
  return send(context, {
    filename: address,
    cancelWord: "Cancel",
    first: { progress: null, note: "The server fetches the video." },
    start: (signal) => submitLink(wanted, attempt, signal),
    retry: () => sendLink(context, address, options, attempt),
  });
}

/** Shows how far the sending is, then goes to the address of the video. */
async function send(context, { filename, cancelWord, first, start, retry }) {
  const sending = new AbortController();
  const signal = AbortSignal.any([sending.signal, context.signal]);
  const work = makeWork({ filename, cancelWord, onCancel: () => sending.abort() });
  const update = (what) => work.update({ stage: "uploading", ...what });
  update(first);
  context.show(filename, work.view);
  context.keepUntil(() =>
    confirm({
      title: "Stop sending the video?",
      text: "It has not arrived yet. If you leave now, you have to send it again.",
      yes: "Stop and leave",
      no: "Stay here",
    }),
  );
  try {
    const video = await start(signal, update);
    context.keepUntil(null);
    if (context.signal.aborted) return;
    if (video === null) context.again();
    else await context.go(`/app/videos/${video.id}`);
  } catch (error) {
    context.keepUntil(null);
    if (context.signal.aborted) return;
    if (sending.signal.aborted) context.again();
    else if (error instanceof Problem) refuse(context, error, { filename, retry });
    else throw error;
  }
}
