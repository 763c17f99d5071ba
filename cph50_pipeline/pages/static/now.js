// The dashboard stays of now by itself: the server sends its live part whenever that changed, and a beat between.
import { age, countAges, localise } from "./shell.js";

const SILENT_SECONDS = 12;
const AGAIN_SECONDS = 5;
const FOCUSED = "a[href], button, summary, [tabindex]";
const liveness = document.getElementById("liveness");
const announced = document.getElementById("announced");
const suffix = document.title.slice(document.title.indexOf(" · "));
let heardAt = performance.now();
let triedAt = heardAt;
let isLive = null;
let source = null;
let again = null;
let isRenewed = false; // The server lets us ask anew; nothing is wrong meanwhile.
let isSignedOut = false;

function sectionsOf(part) {
  return [...part.querySelectorAll(":scope > section")];
}

// In place of what stands there; who is at a link or a table in it stays at it.
function replace(old, next) {
  const held = document.activeElement;
  const section = old.contains(held) ? held.closest("section") : null;
  const place = section ? [...section.querySelectorAll(FOCUSED)].indexOf(held) : -1;
  old.replaceWith(next);
  if (place >= 0) document.getElementById(section.id)?.querySelectorAll(FOCUSED)[place]?.focus({ preventScroll: true });
}

function partOf(html) {
  const part = new DOMParser().parseFromString(html, "text/html").getElementById("live");
  localise(part);
  countAges(part);
  countAges(document.getElementById("live")); // What differs now is not just of another second.
  return part;
}

function showAll(part) {
  const old = document.getElementById("live");
  const ids = (one) => sectionsOf(one).map((section) => section.id).join();
  if (ids(part) === ids(old)) showSome(part);
  else replace(old, part);
  say(part);
}

// Only those sections that became others.
function showSome(part) {
  for (const one of sectionsOf(part)) {
    const old = document.getElementById(one.id);
    if (!old.isEqualNode(one)) replace(old, one);
  }
}

function say(part) {
  document.title = part.dataset.title + suffix;
  if (announced.dataset.said !== undefined && announced.dataset.said !== part.dataset.summary) {
    announced.textContent = part.dataset.summary;
  }
  announced.dataset.said = part.dataset.summary;
}

function tell() {
  if (document.hidden || isSignedOut) return;
  const seconds = (performance.now() - heardAt) / 1000;
  const isHeard = source !== null && (isRenewed || source.readyState === EventSource.OPEN) && seconds < SILENT_SECONDS;
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
  isRenewed = false;
  again = setTimeout(connect, AGAIN_SECONDS * 1000);
}

// A stream does not say why it was refused.
async function askWhy() {
  const { status } = await fetch(liveness.dataset.stream, { method: "HEAD" }).catch(() => ({ status: 0 }));
  if (status !== 401) return;
  clearTimeout(again);
  isSignedOut = true;
  isLive = false;
  const link = Object.assign(document.createElement("a"), { href: liveness.dataset.signIn, textContent: "sign in" });
  liveness.replaceChildren("Not live: signed out. To go on, ", link, ".");
  liveness.classList.add("warn");
  liveness.classList.remove("good");
  announced.textContent = "Not live: signed out";
}

function heard() {
  heardAt = performance.now();
}

function connect() {
  again = null;
  isSignedOut = false;
  triedAt = performance.now();
  source = new EventSource(liveness.dataset.stream);
  source.addEventListener("open", () => { isRenewed = false; heard(); tell(); });
  source.addEventListener("beat", heard);
  source.addEventListener("now", (event) => { heard(); showAll(partOf(event.data)); });
  source.addEventListener("change", (event) => {
    heard();
    const part = partOf(event.data);
    showSome(part);
    say(part);
  });
  source.addEventListener("over", () => { isRenewed = true; source.close(); connect(); });
  source.addEventListener("error", () => {
    isRenewed = false;
    tell();
    // The browser tries again by itself, unless the server refused.
    if (source.readyState !== EventSource.CLOSED || again !== null) return;
    connectAgain();
    askWhy();
  });
}

// A tab that nobody sees needs no stream; one that is shown again begins with what is now.
document.addEventListener("visibilitychange", () => {
  clearTimeout(again);
  again = null;
  source?.close();
  source = null;
  if (!document.hidden) {
    heard();
    connect();
  }
});

connect();
setInterval(tell, 1000);
