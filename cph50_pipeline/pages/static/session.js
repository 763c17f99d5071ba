// The curve to zoom into, in place of the picture that is there already. Its values stand in the table of readings.
import { number, time } from "./shell.js";

const holder = document.querySelector("#curve");
const table = document.querySelector("#readings");
const zone = document.documentElement.dataset.zone;
const HEIGHT = 300;

function values() {
  const rows = [...table.tBodies[0].rows];
  const value = (cell) => {
    const data = cell.querySelector("data");
    return data ? Number(data.value) : null;
  };
  return [
    rows.map((row) => new Date(row.querySelector("time").dateTime) / 1000),
    rows.map((row) => value(row.cells[1])),
    rows.map((row) => value(row.cells[2])),
  ];
}

function color(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

function options(width) {
  const line = getComputedStyle(holder.querySelector(".line")).stroke;
  const axis = { stroke: color("--dim"), grid: { stroke: color("--line"), width: 1 }, ticks: { stroke: color("--line") } };
  const shown = (unit, decimals) => (plot, one) => (one === null ? "–" : number(one, unit, decimals));
  return {
    width,
    height: HEIGHT,
    tzDate: (seconds) => uPlot.tzDate(new Date(seconds * 1000), zone),
    scales: { y: { range: (plot, low, high) => [0, (high || 1) * 1.05] }, kWh: { range: (plot, low, high) => [0, (high || 1) * 1.05] } },
    series: [
      { value: (plot, at) => (at === null ? "–" : time(new Date(at * 1000).toISOString(), "datetime")) },
      { label: "Power", stroke: line, width: 2, points: { fill: line }, value: shown("kW", 2) },
      { label: "Counter", scale: "kWh", stroke: color("--dim"), dash: [6, 4], points: { show: false }, value: shown("kWh", 2) },
    ],
    axes: [
      { ...axis, values: (plot, every) => every.map((at) => time(new Date(at * 1000).toISOString(), "time")), space: 80 },
      { ...axis, label: "kW", labelSize: 20 },
      { ...axis, label: "kWh", labelSize: 20, scale: "kWh", side: 1, grid: { show: false } },
    ],
  };
}

function draw() {
  const plot = new uPlot(options(holder.clientWidth), values(), holder);
  holder.querySelector("svg").remove();
  const hint = document.querySelector("#zoom");
  hint.hidden = false;
  hint.querySelector("button").addEventListener("click", () => plot.setData(plot.data));
  addEventListener("resize", () => plot.setSize({ width: holder.clientWidth, height: HEIGHT }));
}

function load() {
  const library = document.createElement("script");
  library.src = holder.dataset.library;
  library.addEventListener("load", draw);
  document.head.append(library);
}

// The library is asked for once the page stands; where it does not come, the picture stays.
const whenIdle = window.requestIdleCallback ?? ((run) => setTimeout(run, 50));
if (holder && table) whenIdle(load, { timeout: 2000 });
