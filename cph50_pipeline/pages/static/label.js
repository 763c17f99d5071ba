// A click or a key labels without a reload. Without this the same forms are sent as they stand.
import { localise } from "./shell.js";

const LOOK_MS = 1500;
const cards = () => [...document.querySelectorAll("article.card[data-session]")];
let current = null;

function go(card) {
  if (!card) return;
  current = card;
  card.focus({ preventScroll: true });
  card.scrollIntoView({ block: "nearest" });
}

function beside(step) {
  const all = cards();
  const at = all.indexOf(current);
  return all[at < 0 ? (step > 0 ? 0 : all.length - 1) : at + step];
}

async function part(address, options) {
  const answer = await fetch(address, { headers: { Accept: "text/html" }, ...options });
  const made = new DOMParser().parseFromString(await answer.text(), "text/html");
  const found = made.querySelector(".outcome");
  if (answer.ok && found) return found;
  const told = document.createElement("div");
  told.className = "outcome card";
  told.setAttribute("role", "alert");
  told.tabIndex = -1;
  told.textContent = (made.querySelector("main") || made.body).innerText.trim() || `The server answered ${answer.status}`;
  return told;
}

async function follow(shown) {
  while (shown.isConnected && shown.dataset.again && shown.dataset.done !== "yes") {
    await new Promise((done) => setTimeout(done, LOOK_MS));
    const next = await part(shown.dataset.again).catch(() => null);
    if (!next || !shown.isConnected) continue;
    const had = shown.contains(document.activeElement);
    shown.replaceWith(next);
    localise(next);
    if (had) next.focus();
    shown = next;
  }
}

async function send(form, button) {
  const fields = new URLSearchParams(new FormData(form, button));
  fields.set("part", "1");
  const card = form.closest(".card");
  const next = cards()[cards().indexOf(card) + 1];
  card.setAttribute("aria-busy", "true");
  for (const one of form.querySelectorAll("button")) one.disabled = true;
  let shown;
  try {
    shown = await part(form.action, { method: "POST", body: fields });
  } catch {
    card.removeAttribute("aria-busy");
    for (const one of form.querySelectorAll("button")) one.disabled = false;
    const told = document.createElement("p");
    told.className = "bad";
    told.setAttribute("role", "alert");
    told.textContent = "The server cannot be reached. Nothing was labelled.";
    form.append(told);
    return;
  }
  card.replaceWith(shown);
  localise(shown);
  if (next) go(next);
  else shown.focus();
  follow(shown);
}

function onKey(event) {
  const isTyping = event.target.closest("input, textarea, select, [contenteditable]");
  if (isTyping || event.ctrlKey || event.metaKey || event.altKey) return;
  const { key } = event;
  if (key === "j" || key === "ArrowDown" || key === "k" || key === "ArrowUp") {
    const card = beside(key === "j" || key === "ArrowDown" ? 1 : -1);
    if (!card) return;
    go(card);
  } else if (/^[1-9]$/.test(key)) {
    const card = current && current.isConnected ? current : cards()[0];
    const button = card && card.querySelector(`button[data-key="${key}"]:not(:disabled)`);
    if (!button) return;
    button.click();
  } else if (key === "u") {
    const undo = [...document.querySelectorAll("form.undo button:not(:disabled)")].at(-1);
    if (!undo) return;
    undo.click();
  } else if (key === "?") {
    const keys = document.querySelector(".keys");
    if (!keys) return;
    keys.hidden = false;
    keys.scrollIntoView({ block: "nearest" });
  } else return;
  event.preventDefault();
}

document.addEventListener("submit", (event) => {
  if (!event.target.matches("form.says, form.undo")) return;
  event.preventDefault();
  send(event.target, event.submitter);
});
document.addEventListener("keydown", onKey);
document.addEventListener("focusin", (event) => {
  const card = event.target.closest("article.card[data-session]");
  if (card) current = card;
});
for (const skip of document.querySelectorAll(".skip-card")) {
  skip.hidden = false;
  skip.addEventListener("click", () => {
    current = skip.closest(".card");
    go(beside(1));
  });
}
for (const keys of document.querySelectorAll(".keys")) keys.hidden = false;
for (const shown of document.querySelectorAll(".outcome[data-again]")) follow(shown);
const loading = document.querySelector("[data-loading]");
if (loading) setTimeout(() => location.reload(), LOOK_MS);
const waiting = document.querySelector("[data-reload]");
if (waiting) setTimeout(() => location.reload(), LOOK_MS);
