// While something is at work its entries are asked for again, without a reload; what is open stays open.
import { countAges, localise } from "./shell.js";

const LOOK_MS = 2000;
const LONGEST_MS = 16000;

async function look(shown) {
  const address = new URL(location.href);
  address.searchParams.set("part", "1");
  const answer = await fetch(address, { headers: { Accept: "text/html" } });
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  const made = page.querySelector("#entries");
  if (answer.redirected) throw new Error("You are not signed in any more.");
  if (!answer.ok || !made) throw new Error(`The server answered ${answer.status}.`);
  document.querySelector("#verdict").replaceWith(page.querySelector("#verdict"));
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

function tell(shown, words) {
  shown.querySelector(".unheard")?.remove();
  for (const link of shown.querySelectorAll(".by-hand")) link.hidden = !words;
  if (!words) return;
  const told = document.createElement("p");
  told.className = "warn unheard";
  told.textContent = words;
  shown.querySelector(".work").append(told);
}

async function follow() {
  let shown = document.querySelector("#entries");
  let lookOnce = new URLSearchParams(location.search).get("began") > 0;
  let pauseMs = LOOK_MS;
  if (shown) tell(shown, "");
  while (shown && (shown.dataset.busy === "yes" || lookOnce)) {
    await new Promise((done) => setTimeout(done, pauseMs));
    try {
      shown = await look(shown);
      lookOnce = false;
      pauseMs = LOOK_MS;
      tell(shown, "");
    } catch (error) {
      pauseMs = Math.min(2 * pauseMs, LONGEST_MS);
      const why = error instanceof TypeError ? "The server cannot be reached." : error.message;
      tell(shown, `${why} How it goes on is not known; it is asked again.`);
    }
  }
}

// The form is on its way when its button falls silent.
document.addEventListener("submit", ({ submitter }) => {
  if (!submitter?.closest('form[action="/forms/refresh"]')) return;
  setTimeout(() => {
    submitter.disabled = true;
    submitter.textContent = "Working…";
  });
});
// Who comes back by the browser's button finds it as it was.
window.addEventListener("pageshow", ({ persisted }) => persisted && location.reload());
follow();
