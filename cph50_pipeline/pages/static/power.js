// Over the first pictures, which the server drew: the same to zoom and move, all meters together.
import { number, time } from "./shell.js";

const pictures = document.getElementById("pictures");
const zone = document.documentElement.dataset.zone;
const STEP_SECONDS = 300;
const DAY_SECONDS = 86400;
const FIRST_SHOWN_DAYS = 30;
const HEIGHT = 240;
const FIRST_PAUSE_SECONDS = 2;
const LONGEST_PAUSE_SECONDS = 120;
const BUTTONS = { in: 0.5, out: 2 };
const charts = new Map();
let all = null; // The whole of what may be shown: [first, last], Unix seconds.
let view = null;
let dragged = null; // The picture over which somebody drags; the others follow by themselves.
let waiting = null;
const seen = new Set(); // The meters whose pictures are on the screen.
const watcher = new IntersectionObserver((entries) => {
  for (const { target, isIntersecting } of entries) {
    const id = target.parentElement.dataset.meter;
    if (isIntersecting) {
      seen.add(id);
      if (view) follow(id);
    } else seen.delete(id);
  }
}, { rootMargin: "100px" });

function css(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
}

function loaded(tag, attributes) {
  return new Promise((resolve, reject) => {
    const one = Object.assign(document.createElement(tag), attributes);
    one.addEventListener("load", resolve);
    one.addEventListener("error", () => reject(new Error(`${attributes.src ?? attributes.href} did not load`)));
    document.head.append(one);
  });
}

async function json(address) {
  const answer = await fetch(address);
  if (!answer.ok) throw new Error(`${address}: ${answer.status}`);
  return answer.json();
}

function clamped([first, last]) {
  const span = Math.min(Math.max(last - first, 2 * STEP_SECONDS), all[1] - all[0]);
  const middle = (first + last) / 2;
  const begin = Math.min(Math.max(middle - span / 2, all[0]), all[1] - span);
  return [begin, begin + span];
}

// One range for all meters.
function show(range) {
  const next = clamped(range);
  if (view && Math.abs(next[0] - view[0]) < 0.5 && Math.abs(next[1] - view[1]) < 0.5) return;
  view = next;
  // Once a frame, and only what is on the screen: a year of many meters moves smoothly.
  waiting ??= requestAnimationFrame(() => {
    waiting = null;
    for (const id of seen) follow(id);
    tellShown();
    wantMonths();
  });
}

// Let a meter's picture show what is shown now.
function follow(id) {
  const chart = charts.get(id);
  const isNew = fine.changed.delete(id);
  if (!isNew && chart.scales.x.min === view[0] && chart.scales.x.max === view[1]) return;
  chart.batch(() => {
    if (isNew) chart.setData([fine.at, fine.values.get(id)], false);
    chart.setScale("x", { min: view[0], max: view[1] });
  });
}

let telling = null;
function tellShown() {
  clearTimeout(telling);
  telling = setTimeout(() => {
    const [from, to] = view.map((second) => time(new Date(second * 1000).toISOString(), "datetime"));
    document.getElementById("shown").textContent = `${from} – ${to}`;
  }, 300);
}

function zoom(factor, at = (view[0] + view[1]) / 2) {
  show([at - (at - view[0]) * factor, at + (view[1] - at) * factor]);
}

function pan(share) {
  const by = (view[1] - view[0]) * share;
  show([view[0] + by, view[1] + by]);
}

// Bands are drawn as the first picture has them: where something was wrong nothing is drawn as if it were known.
function drawBands(bands) {
  return (chart) => {
    const { ctx, bbox } = chart;
    ctx.save();
    ctx.beginPath();
    ctx.rect(bbox.left, bbox.top, bbox.width, bbox.height);
    ctx.clip();
    ctx.globalAlpha = 0.25;
    for (const [kind, first, last] of bands) {
      if (last < chart.scales.x.min || first > chart.scales.x.max) continue;
      ctx.fillStyle = css({ outage: "bad", frozen: "warn", gap: "none" }[kind] ?? "c3");
      const from = chart.valToPos(first, "x", true);
      ctx.fillRect(from, bbox.top, Math.max(2, chart.valToPos(last, "x", true) - from), bbox.height);
    }
    ctx.restore();
  };
}

function ticks(chart, splits, axis, space, step) {
  const form = step < DAY_SECONDS ? "time" : "day";
  return splits.map((second) => {
    const text = new Date(second * 1000).toISOString();
    const isMidnight = form === "time" && civil(second) === "00:00";
    return isMidnight ? time(text, "day") : time(text, form);
  });
}

const clocks = new Intl.DateTimeFormat("en-GB", { timeZone: zone, hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
function civil(second) {
  return clocks.format(new Date(second * 1000));
}

function made(figure, meter, data) {
  const style = { stroke: css("dim"), grid: { stroke: css("line"), width: 1 }, ticks: { stroke: css("line"), width: 1 } };
  const holder = document.createElement("div");
  holder.className = "plot";
  holder.tabIndex = 0;
  holder.setAttribute("role", "group");
  holder.setAttribute("aria-label", `${meter.id}: + and − zoom, ← and → move, Home shows all`);
  figure.prepend(holder);
  const fromZero = meter.unit === "kW" || meter.unit === "kWh";
  const chart = new window.uPlot({
    width: holder.clientWidth,
    height: HEIGHT,
    tzDate: (second) => window.uPlot.tzDate(new Date(second * 1000), zone),
    cursor: { sync: { key: "power" }, drag: { x: true, y: false, setScale: false }, bind: {
      mousedown: (own, target, handle) => (event) => {
        if (event.shiftKey) return;
        dragged = meter.id;
        handle(event);
      },
      dblclick: () => () => show(all),
    } },
    legend: { live: true },
    scales: { x: { time: true, range: (own, low, high) => [low, high] }, y: { range: (own, low, high) => {
      if (low === null) return [0, 1];
      const [bottom, top] = fromZero ? [Math.min(0, low), Math.max(0, high)] : [low, high];
      const room = (top - bottom || 1) * 0.08;
      return [fromZero && bottom === 0 ? 0 : bottom - room, top + room];
    } } },
    padding: [null, 40, null, null], // for the last day's name
    axes: [
      { ...style, values: ticks, space: 90, font: "12px system-ui" },
      { ...style, size: 56, font: "12px system-ui", values: (own, splits) => splits.map((value) => number(value, "", value % 1 ? 2 : 0)) },
    ],
    series: [
      { label: "At", value: (own, second) => (second === null ? "–" : time(new Date(second * 1000).toISOString(), "datetime")) },
      { label: meter.name, stroke: css(figure.dataset.color), width: 1.5, spanGaps: false, points: { show: false },
        value: (own, value) => (value === null ? "not known" : number(value, meter.unit, meter.decimals)) },
    ],
    hooks: {
      drawClear: [drawBands(meter.bands)],
      setSelect: [(own) => {
        const { left, width } = own.select;
        if (width <= 0) return;
        if (dragged === meter.id) show([own.posToVal(left, "x"), own.posToVal(left + width, "x")]);
        own.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
      }],
    },
  }, data, holder);
  figure.querySelector("svg")?.remove();
  charts.set(meter.id, chart);
  watcher.observe(holder);
  listen(holder, chart);
  new ResizeObserver(() => {
    if (holder.clientWidth && Math.abs(holder.clientWidth - chart.width) > 1) chart.setSize({ width: holder.clientWidth, height: HEIGHT });
  }).observe(holder);
  return chart;
}

function secondAt(chart, clientX) {
  return chart.posToVal(clientX - chart.over.getBoundingClientRect().left, "x");
}

function listen(holder, chart) {
  const over = chart.over;
  holder.addEventListener("keydown", (event) => {
    const done = { "+": () => zoom(0.5), "=": () => zoom(0.5), "-": () => zoom(2), ArrowLeft: () => pan(-0.25), ArrowRight: () => pan(0.25), Home: () => show(all) }[event.key];
    if (done && !event.ctrlKey && !event.metaKey) { event.preventDefault(); done(); }
  });
  // A wheel that scrolls the page goes on doing so, unless the picture was chosen before.
  over.addEventListener("wheel", (event) => {
    if (!event.ctrlKey && document.activeElement !== holder) return;
    event.preventDefault();
    if (Math.abs(event.deltaX) > Math.abs(event.deltaY)) pan(event.deltaX / over.clientWidth);
    else zoom(Math.exp(event.deltaY * 0.002), secondAt(chart, event.clientX));
  }, { passive: false });
  const fingers = new Map();
  let hold = null;
  const begin = () => {
    const xs = [...fingers.values()];
    hold = { view: [...view], xs };
  };
  over.addEventListener("pointerdown", (event) => {
    holder.focus({ preventScroll: true });
    if (event.pointerType === "mouse" && !(event.shiftKey && event.button === 0)) return;
    over.setPointerCapture(event.pointerId);
    fingers.set(event.pointerId, event.clientX);
    begin();
  });
  over.addEventListener("pointermove", (event) => {
    if (!fingers.has(event.pointerId)) return;
    fingers.set(event.pointerId, event.clientX);
    const xs = [...fingers.values()];
    const span = hold.view[1] - hold.view[0];
    const width = over.clientWidth;
    if (xs.length === 1) {
      const by = ((hold.xs[0] - xs[0]) / width) * span;
      show([hold.view[0] + by, hold.view[1] + by]);
    } else if (xs.length === 2 && hold.xs.length === 2) {
      const factor = Math.max(20, Math.abs(hold.xs[0] - hold.xs[1])) / Math.max(20, Math.abs(xs[0] - xs[1]));
      const left = over.getBoundingClientRect().left;
      const at = hold.view[0] + (((hold.xs[0] + hold.xs[1]) / 2 - left) / width) * span;
      const share = ((xs[0] + xs[1]) / 2 - left) / width;
      show([at - share * span * factor, at + (1 - share) * span * factor]);
    }
  });
  for (const kind of ["pointerup", "pointercancel"]) {
    over.addEventListener(kind, (event) => { if (fingers.delete(event.pointerId)) begin(); });
  }
}

// A year of five minutes: a month is asked for when it comes into view, and stands from then on.
const fine = { months: new Map(), missing: new Set(), at: [], values: new Map(), changed: new Set() };

function monthSpan(month) {
  // A day more on each side, whatever the zone: what is asked for too early is only asked for earlier.
  const [year, number_] = month.split("-").map(Number);
  return [Date.UTC(year, number_ - 1, 1) / 1000 - DAY_SECONDS, Date.UTC(year, number_, 1) / 1000 + DAY_SECONDS];
}

function wantMonths() {
  for (const [month, state] of fine.months) {
    const [first, last] = monthSpan(month);
    if (state !== "wanted" || last < view[0] || first > view[1]) continue;
    fine.months.set(month, "asked");
    json(`${pictures.dataset.fine}${month}.json`).then(
      (document_) => { fill(document_); fine.months.set(month, "here"); fine.missing.delete(month); failures = 0; },
      () => { fine.months.set(month, "failed"); fine.missing.add(month); askAgain(); },
    ).finally(tellLoading);
  }
  tellLoading();
}

// What did not come is asked for again, each time after a longer pause.
let failures = 0;
let again = null;
function askAgain() {
  if (again !== null) return;
  const pause = Math.min(FIRST_PAUSE_SECONDS * 2 ** failures, LONGEST_PAUSE_SECONDS);
  failures += 1;
  again = setTimeout(() => {
    again = null;
    for (const month of monthsThat("failed")) fine.months.set(month, "wanted");
    wantMonths();
  }, pause * 1000);
}

function monthsThat(state) {
  return [...fine.months].filter(([, one]) => one === state).map(([month]) => month);
}

function tellLoading() {
  if (!fine.months.size) return;
  pictures.dataset.here = monthsThat("here").join(" ");
  pictures.setAttribute("aria-busy", monthsThat("asked").length > 0);
  const names = [...fine.missing].sort().map((month) => time(`${month}-01`, "month")).join(", ");
  document.getElementById("missing").textContent = names && `Not loaded, which is no outage: ${names}. Trying again.`;
}

let drawing = null;
function fill(month) {
  for (const [meter, values] of Object.entries(month.meters)) {
    const column = fine.values.get(meter);
    if (!column) continue;
    const place = (month.start - fine.at[0]) / month.step;
    values.forEach((value, number_) => {
      const at = place + number_;
      if (value !== null && at >= 0 && at < column.length) column[at] = value;
    });
  }
  for (const id of fine.values.keys()) fine.changed.add(id);
  drawing ??= requestAnimationFrame(() => {
    drawing = null;
    for (const id of seen) follow(id);
  });
}

function fineColumns(document_) {
  const months = pictures.dataset.months.split(" ").filter(Boolean);
  for (const month of months) fine.months.set(month, "wanted");
  const first = Math.max(document_.last - 365 * DAY_SECONDS, months.length ? monthSpan(months[0])[0] : 0);
  const begin = Math.floor(first / STEP_SECONDS) * STEP_SECONDS;
  const length = Math.ceil((document_.last + DAY_SECONDS - begin) / STEP_SECONDS);
  fine.at = Array.from({ length }, (_, number_) => begin + number_ * STEP_SECONDS);
  for (const meter of document_.meters) fine.values.set(meter.id, new Array(length).fill(null));
}

async function begin() {
  const { data, script, style, range } = pictures.dataset;
  const [document_] = await Promise.all([
    json(data),
    loaded("script", { src: script }),
    loaded("link", { rel: "stylesheet", href: style }),
  ]);
  if (!document_.meters.length) return;
  if (range === "fine") fineColumns(document_);
  const ats = range === "fine" ? [fine.at] : document_.meters.map((meter) => meter.at);
  const ends = [Math.min(...ats.map((at) => at[0])), Math.max(...ats.map((at) => at[at.length - 1]), document_.last)];
  for (const figure of pictures.querySelectorAll("figure[data-meter]")) {
    const meter = document_.meters.find((one) => one.id === figure.dataset.meter);
    if (meter) made(figure, meter, range === "fine" ? [fine.at, fine.values.get(meter.id)] : [meter.at, meter.value]);
  }
  all = ends;
  show(range === "fine" ? [document_.last - FIRST_SHOWN_DAYS * DAY_SECONDS, document_.last] : all);
  document.getElementById("zooming").hidden = false;
  document.getElementById("hint").hidden = false;
  document.getElementById("zooming").addEventListener("click", (event) => {
    const wanted = event.target.closest("button")?.dataset.do;
    if (BUTTONS[wanted]) zoom(BUTTONS[wanted]);
    else if (wanted === "all") show(all);
    else if (wanted) pan(wanted === "back" ? -0.25 : 0.25);
  });
  pictures.dataset.ready = "yes";
}

// The page is there and can be read; what follows is for those who want to look closer.
if (pictures) {
  const whenIdle = window.requestIdleCallback ?? ((run) => setTimeout(run, 50));
  window.addEventListener("load", () => whenIdle(() => begin().catch((error) => {
    const told = document.getElementById("hint");
    told.hidden = false;
    told.textContent = `These pictures cannot be zoomed just now: ${error.message}`;
  })));
}
