// The dashboard stays of now by itself: the server sends its live part whenever that changed, and a beat between.
import { age, countAges, localise } from "./shell.js";

const SILENT_SECONDS = 12;
const AGAIN_SECONDS = 5;
const liveness = document.getElementById("liveness");
const announced = document.getElementById("announced");
const suffix = document.title.slice(document.title.indexOf(" · "));
const shown = new Map();
let heardAt = performance.now();
let triedAt = heardAt;
let isLive = null;
let source = null;
let again = null;

function sectionsOf(part) {
  return [...part.querySelectorAll(":scope > section")];
}

// What the server sent of each section, before numbers and times were written in the reader's locale.
function sentBy(part) {
  return new Map(sectionsOf(part).map((one) => [one.id, one.outerHTML]));
}

function swap(html) {
  const part = new DOMParser().parseFromString(html, "text/html").getElementById("live");
  if (!part) return;
  const now = sentBy(part);
  const old = document.getElementById("live");
  const isAlike = [...now.keys()].join() === sectionsOf(old).map((one) => one.id).join();
  localise(part);
  countAges(part);
  if (isAlike) {
    for (const one of sectionsOf(part)) {
      if (shown.get(one.id) !== now.get(one.id)) document.getElementById(one.id).replaceWith(one);
    }
    old.dataset.title = part.dataset.title;
  } else {
    old.replaceWith(part);
  }
  shown.clear();
  for (const [id, text] of now) shown.set(id, text);
  document.title = part.dataset.title + suffix;
  if (announced.dataset.said !== undefined && announced.dataset.said !== part.dataset.summary) {
    announced.textContent = part.dataset.summary;
  }
  announced.dataset.said = part.dataset.summary;
}

function tell() {
  if (document.hidden) return;
  const seconds = (performance.now() - heardAt) / 1000;
  const isHeard = source !== null && source.readyState === EventSource.OPEN && seconds < SILENT_SECONDS;
  liveness.textContent = isHeard ? "Live" : `Not live: no word from the server for ${age(seconds)}; trying again.`;
  liveness.classList.toggle("warn", !isHeard);
  liveness.classList.toggle("good", isHeard);
  if (isLive !== null && isLive !== isHeard) {
    announced.textContent = isHeard ? "Live again" : "Not live: the server is silent";
  }
  isLive = isHeard;
  // A stream over which nothing comes is dead, whatever the browser believes.
  const isOverdue = performance.now() - Math.max(heardAt, triedAt) >= SILENT_SECONDS * 1000;
  if (isOverdue && again === null) connectAgain();
}

function connectAgain() {
  source?.close();
  again = setTimeout(connect, AGAIN_SECONDS * 1000);
}

function heard() {
  heardAt = performance.now();
}

function connect() {
  again = null;
  triedAt = performance.now();
  source = new EventSource(liveness.dataset.stream);
  source.addEventListener("open", () => { heard(); tell(); });
  source.addEventListener("beat", heard);
  source.addEventListener("now", (event) => { heard(); swap(event.data); });
  source.addEventListener("error", () => {
    tell();
    // The browser tries again by itself, unless the server refused.
    if (source.readyState === EventSource.CLOSED && again === null) connectAgain();
  });
}

// A tab that nobody sees needs no stream; one that is shown again begins with what is now.
document.addEventListener("visibilitychange", () => {
  clearTimeout(again);
  again = null;
  if (document.hidden) {
    source?.close();
    source = null;
  } else {
    heard();
    connect();
  }
});

connect();
setInterval(tell, 1000);
