// Keys for the periods, and a list that narrows while one types. All of it works by links and forms without this.
import { areKeysOn } from "./shell.js";

const find = document.querySelector("#find");
const input = find?.elements.q;
const rows = [...document.querySelectorAll("tr[data-words]")];
const asked = input?.value ?? "";

// As the server folds what it looks for and in: "Straße" is "strasse", and "Σ" is "σ" also at a word's end.
function folded(text) {
  return [...text.toUpperCase()].map((one) => one.toLowerCase()).join("");
}

function narrow() {
  const words = folded(input.value).split(/\s+/).filter(Boolean);
  let shown = 0;
  for (const row of rows) {
    row.hidden = !words.every((word) => row.dataset.words.includes(word));
    shown += row.hidden ? 0 : 1;
  }
  document.querySelector("#found").textContent = `${shown} of ${rows.length} sessions.`;
  document.querySelector("#show-all").hidden = shown > 0;
  const address = new URL(location.href);
  if (words.length) address.searchParams.set("q", input.value.trim());
  else address.searchParams.delete("q");
  history.replaceState(null, "", address);
}

// Only what is listed can be narrowed here: a list in pages, or one that was asked for with a text, is the server's.
if (find && find.dataset.paged === undefined && !asked) input.addEventListener("input", narrow);

function showAll() {
  const had = input.value || asked;
  input.value = "";
  input.blur();
  if (asked) find.requestSubmit();
  else if (had) narrow();
}

const follow = (selector) => document.querySelector(selector)?.click();
const keys = {
  ArrowLeft: () => follow('a[rel="prev"]'),
  ArrowRight: () => follow('a[rel="next"]'),
  d: () => follow('[data-view="day"]'),
  m: () => follow('[data-view="month"]'),
  y: () => follow('[data-view="year"]'),
  e: () => follow('[data-show="energy"]'),
  c: () => follow('[data-show="cost"]'),
  i: () => follow('[data-show="miles"]'),
  s: () => follow('[data-show="sessions"]'),
  "/": () => input?.focus(),
};

// The bars are one stop for Tab; arrows lead from bar to bar, and stay in the picture.
const bars = [...document.querySelectorAll("svg.chart a")];

function stopAt(bar) {
  for (const one of bars) one.setAttribute("tabindex", one === bar ? "0" : "-1");
}

function toBar(event) {
  const at = bars.indexOf(event.target);
  const places = { ArrowLeft: at - 1, ArrowRight: at + 1, Home: 0, End: bars.length - 1 };
  if (at < 0 || !(event.key in places) || event.ctrlKey || event.metaKey || event.altKey) return;
  event.preventDefault();
  bars[places[event.key]]?.focus();
}

if (bars.length) {
  stopAt(bars[0]);
  const picture = bars[0].closest("svg");
  picture.addEventListener("focusin", (event) => stopAt(event.target));
  picture.addEventListener("keydown", toBar);
}

// An address that names what is folded up means what is in it.
function unfold() {
  const named = location.hash && document.getElementById(decodeURIComponent(location.hash.slice(1)));
  if (!(named instanceof HTMLDetailsElement)) return;
  named.open = true;
  named.scrollIntoView();
}

unfold();
addEventListener("hashchange", unfold);

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
  if (event.key === "Escape" && input && (event.target === input || input.value)) {
    event.preventDefault();
    showAll();
    return;
  }
  if (event.target.closest("input, select, textarea, .wide:focus")) return;
  if (!(event.key in keys) || !areKeysOn()) return;
  event.preventDefault();
  keys[event.key]();
});
