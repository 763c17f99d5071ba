// What every page does once its script runs: numbers, times and ages in the reader's locale. All of it stands in the page already.
const zone = document.documentElement.dataset.zone;
const locales = navigator.languages.length ? [...navigator.languages] : undefined;
const formats = {
  datetime: { dateStyle: "medium", timeStyle: "short" },
  time: { timeStyle: "short" },
  day: { dateStyle: "medium" },
  weekday: { weekday: "short", day: "numeric", month: "short", year: "numeric" },
  month: { month: "long", year: "numeric" },
  year: { year: "numeric" },
};
const kept = new Map();
// By how much the server's clock is ahead of the reader's. A page of the static site was not made just now, and knows none.
const aheadMs = document.documentElement.dataset.now ? new Date(document.documentElement.dataset.now) - arrivedMs() : 0;

function arrivedMs() {
  const first = performance.getEntriesByType("navigation")[0]?.responseStart ?? 0;
  return Date.now() - (performance.now() - first);
}

function made(kind, options) {
  const key = kind.name + JSON.stringify(options);
  if (!kept.has(key)) kept.set(key, new kind(locales, options));
  return kept.get(key);
}

export function number(value, unit, decimals) {
  const shown = made(Intl.NumberFormat, { minimumFractionDigits: decimals, maximumFractionDigits: decimals, signDisplay: "negative" }).format(value);
  return unit ? `${shown} ${unit}` : shown;
}

export function time(text, form) {
  // A date alone is a civil day, which no zone moves.
  const isDay = /^\d{4}-\d{2}-\d{2}$/.test(text);
  return made(Intl.DateTimeFormat, { ...formats[form], timeZone: isDay ? "UTC" : zone }).format(new Date(text));
}

export function age(seconds) {
  if (seconds < 60) return `${Math.max(0, Math.floor(seconds))} s`;
  if (seconds < 5400) return `${Math.round(seconds / 60)} min`;
  if (seconds < 129600) return `${Math.round(seconds / 3600)} h`;
  return `${Math.round(seconds / 86400)} days`;
}

export function localise(root) {
  for (const one of root.querySelectorAll("data[data-decimals]")) {
    one.textContent = number(Number(one.value), one.dataset.unit, Number(one.dataset.decimals));
  }
  for (const one of root.querySelectorAll("time[data-form]")) one.textContent = time(one.dateTime, one.dataset.form);
}

// <span data-since="2026-01-07T18:04:00Z"></span> counts on by itself; with data-ago it says "3 min ago".
export function countAges(root = document) {
  for (const one of root.querySelectorAll("[data-since]")) {
    const passed = age((Date.now() + aheadMs - new Date(one.dataset.since)) / 1000);
    one.textContent = "ago" in one.dataset ? `${passed} ago` : passed;
  }
}

// Who dictates, or types by accident, turns the single keys of all pages off; this browser remembers it.
export function areKeysOn() {
  try {
    return localStorage.getItem("keys") !== "off";
  } catch {
    return true; // a browser that keeps nothing
  }
}

for (const box of document.querySelectorAll("input[data-keys]")) {
  box.checked = areKeysOn();
  box.parentElement.hidden = false;
  box.addEventListener("change", () => localStorage.setItem("keys", box.checked ? "on" : "off"));
}

localise(document);
countAges();
setInterval(() => countAges(), 1000);
