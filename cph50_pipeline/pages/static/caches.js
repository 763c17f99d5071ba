// While something is at work its entries are asked for again, without a reload; what is open stays open.
import { countAges, localise } from "./shell.js";

const LOOK_MS = 2000;

async function look(shown) {
  const address = new URL(location.href);
  address.searchParams.set("part", "1");
  const answer = await fetch(address, { headers: { Accept: "text/html" } });
  if (!answer.ok) return shown;
  const made = new DOMParser().parseFromString(await answer.text(), "text/html").querySelector("#entries");
  if (!made) return shown;
  for (const kept of shown.querySelectorAll("details[data-keep]")) {
    const same = made.querySelector(`details[data-keep="${CSS.escape(kept.dataset.keep)}"]`);
    if (same) same.open = kept.open;
  }
  const focused = shown.contains(document.activeElement);
  if (focused) return shown; // somebody is choosing something there; it waits for them
  shown.replaceWith(made);
  localise(made);
  countAges(made);
  return made;
}

async function follow() {
  let shown = document.querySelector("#entries");
  let lookOnce = new URLSearchParams(location.search).get("began") > 0;
  while (shown && (shown.dataset.busy === "yes" || lookOnce)) {
    lookOnce = false;
    for (const link of shown.querySelectorAll(".by-hand")) link.hidden = true;
    await new Promise((done) => setTimeout(done, LOOK_MS));
    shown = await look(shown).catch(() => shown);
  }
}

follow();
