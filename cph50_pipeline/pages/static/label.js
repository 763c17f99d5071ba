// A click or a key labels without a reload. Without this the same forms are sent as they stand.
import { areKeysOn, localise } from "./shell.js";

const LOOKS_MS = [1500, 3000, 5000, 10000]; // the last for as long as it takes
const TOAST_MS = 4000;
const cards = () => [...document.querySelectorAll("article.card[data-session]")];
let current = null;
const clicked = [...document.querySelectorAll(".outcome:has(form.undo)")]; // what came of clicks, the newest last

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

// How many sessions there are of each kind, as the server says beside what came of a click.
function count(made) {
  for (const next of made.querySelectorAll("[data-count]")) {
    const shown = document.querySelector(`[data-count="${next.dataset.count}"]`);
    if (!shown) continue;
    shown.replaceChildren(...next.childNodes);
    localise(shown);
  }
}

function say(words) {
  const toast = document.querySelector(".toast");
  toast.hidden = false;
  toast.textContent = words;
  setTimeout(() => (toast.hidden = true), TOAST_MS);
}

async function part(address, options) {
  let answer;
  try {
    answer = await fetch(address, { headers: { Accept: "text/html" }, ...options });
  } catch {
    throw new Error("The server cannot be reached. Nothing was changed.");
  }
  const made = new DOMParser().parseFromString(await answer.text(), "text/html");
  const found = made.querySelector(".outcome");
  if (answer.ok && found) {
    count(made);
    return found;
  }
  const lines = [...made.querySelectorAll("main p:not(:has(a))")].map((one) => one.textContent.trim());
  const said = lines.filter(Boolean).map((one) => one.replace(/\.?$/, "."));
  throw new Error(said.join(" ") || `The server answered ${answer.status}.`, { cause: answer.status });
}

// What cannot be asked just now is asked again: the outcome stands meanwhile, with its undoing.
async function follow(shown) {
  for (let look = 0; shown.isConnected && shown.dataset.again && shown.dataset.done !== "yes"; look += 1) {
    await new Promise((done) => setTimeout(done, LOOKS_MS[Math.min(look, LOOKS_MS.length - 1)]));
    const next = await part(shown.dataset.again).catch(() => null);
    if (!next || !shown.isConnected || shown.hasAttribute("aria-busy")) continue;
    const had = shown.contains(document.activeElement);
    shown.replaceWith(next);
    localise(next);
    if (had) next.focus();
    if (clicked.includes(shown)) clicked[clicked.indexOf(shown)] = next;
    shown = next;
  }
}

function wait(card, form) {
  card.querySelector(":scope .refused")?.remove();
  card.setAttribute("aria-busy", "true");
  for (const one of form.querySelectorAll("button")) one.disabled = true;
}

// The card stays as it was, so that it can be tried again.
function refuse(card, form, error) {
  card.removeAttribute("aria-busy");
  for (const one of form.querySelectorAll("button")) one.disabled = false;
  const told = document.createElement("p");
  told.className = "bad refused";
  told.setAttribute("role", "alert");
  told.textContent = error.message;
  if (error.cause === 401) {
    const link = document.createElement("a");
    link.href = `/sign-in?next=${encodeURIComponent(location.pathname + location.search)}`;
    link.textContent = "Sign in";
    told.append(" ", link);
  }
  form.append(told);
  if (document.activeElement === document.body) card.focus();
}

async function send(form, button) {
  const fields = new URLSearchParams(new FormData(form, button));
  fields.set("part", "1");
  const card = form.closest(".card");
  const at = cards().indexOf(card);
  const next = at < 0 ? null : cards()[at + 1];
  wait(card, form);
  let shown;
  try {
    shown = await part(form.action, { method: "POST", body: fields });
  } catch (error) {
    refuse(card, form, error);
    return;
  }
  card.replaceWith(shown);
  localise(shown);
  if (clicked.includes(card)) clicked.splice(clicked.indexOf(card), 1);
  else clicked.push(shown);
  // What was said stays in sight, below the header, though a long card became a short answer.
  current = next || null;
  (next || shown).focus({ preventScroll: true });
  shown.scrollIntoView({ block: "nearest" });
  follow(shown);
}

function onKey(event) {
  const isTyping = event.target.closest("input, textarea, select, [contenteditable]");
  if (isTyping || !areKeysOn() || event.ctrlKey || event.metaKey || event.altKey) return;
  const { key } = event;
  if (key === "j" || key === "ArrowDown" || key === "k" || key === "ArrowUp") {
    const card = beside(key === "j" || key === "ArrowDown" ? 1 : -1);
    if (!card) return;
    go(card);
  } else if (/^[1-9]$/.test(key)) {
    // Only where somebody is: what a key says is published.
    const card = document.activeElement.closest("article.card[data-session]");
    const button = card && card.querySelector(`button[data-key="${key}"]:not(:disabled)`);
    if (!button) return;
    button.click();
  } else if (key === "u") {
    const undo = clicked.map((one) => one.querySelector("form.undo button:not(:disabled)")).findLast(Boolean);
    if (undo) undo.click();
    else if (document.querySelector(".toast")) say("There is nothing to undo.");
  } else if (key === "?") {
    const keys = document.querySelector(".keys");
    if (!keys) return;
    keys.hidden = false;
    keys.scrollIntoView({ block: "nearest" });
  } else return;
  event.preventDefault();
}

document.addEventListener("submit", (event) => {
  if (!event.target.matches("form.says, form.undo, form.redo")) return;
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
if (loading) setTimeout(() => location.reload(), LOOKS_MS[0]);
