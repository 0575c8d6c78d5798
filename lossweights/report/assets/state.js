"use strict";
// What the page knows, and which trials are selected. Whoever shows trials listens to changes.

const report = JSON.parse(document.getElementById("data").textContent);

const trials = (() => {
  const columns = report.trials;
  const names = Object.keys(columns);
  const count = names.length ? columns[names[0]].length : 0;
  return Array.from({ length: count }, (_, at) =>
    Object.fromEntries(names.map((name) => [name, columns[name][at]])));
})();
const trialByNumber = new Map(trials.map((trial) => [trial.number, trial]));

const state = { current: null, brushed: null };
const listeners = [];

function onChange(listener) {
  listeners.push(listener);
}

function tellAll(why) {
  for (const listener of listeners) listener(why);
}

// The one trial that is looked at; null for none.
function selectTrial(number) {
  state.current = trialByNumber.has(number) ? number : null;
  const hash = state.current === null ? "" : `#trial=${state.current}`;
  history.replaceState(null, "", location.pathname + location.search + hash);
  tellAll("current");
}

// The trials that a brush leaves, as a set of numbers; null for all.
function brushTrials(numbers) {
  state.brushed = numbers;
  tellAll("brushed");
}

function neighbour(step) {
  const order = report.front.length ? report.front : trials.map((trial) => trial.number);
  if (!order.length) return null;
  const at = order.indexOf(state.current);
  if (at >= 0) return order[(at + step + order.length) % order.length];
  if (state.current === null) return order[0];
  // From a trial beside the front to the next one on it.
  const first = Object.keys(report.objectives)[0];
  const here = trialByNumber.get(state.current)[first];
  const found = order.find((number) => trialByNumber.get(number)[first] >= here);
  return found === undefined ? order[order.length - 1] : found;
}

function shown(value, digits = 4) {
  if (value === null || value === undefined) return "–";
  return typeof value === "number" ? String(Number(value.toPrecision(digits))) : String(value);
}

// An element with text in it: text from data is never markup.
function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name === "class") made.className = value;
    else if (value !== null) made.setAttribute(name, value);
  }
  made.append(...children);
  return made;
}

function pairs(entries, kind = "pairs") {
  const list = element("dl", { class: kind });
  for (const [name, value] of entries) {
    list.append(element("div", {}, element("dt", {}, name), element("dd", {}, value)));
  }
  return list;
}

// Plotly reads some markup in texts: what looks like it is shown.
function safe(text) {
  return String(text).replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/>/g, "&gt;");
}
