"use strict";
// The selected trial: what it measured, its weights, its curves, and what drove it.

const panel = document.getElementById("panel-trial");

function showTab(name) {
  for (const each of ["picks", "trial"]) {
    const on = each === name;
    const tab = document.getElementById(`tab-${each}`);
    tab.setAttribute("aria-selected", on);
    tab.tabIndex = on ? 0 : -1;
    document.getElementById(`panel-${each}`).hidden = !on;
  }
  if (name === "trial") drawTrial();
}

function stepButton(text, step) {
  const button = element("button", { type: "button" }, text);
  button.addEventListener("click", () => selectTrial(neighbour(step)));
  return button;
}

function weightSet(trial) {
  const weights = report.terms.map((term) => `${JSON.stringify(term)}: ${trial[`weight/${term}`]}`);
  return `{${weights.join(", ")}}`;
}

function copyButton(text) {
  return element("button", { type: "button", class: "copy", "data-text": text }, "copy");
}

function drawTrial() {
  const trial = trialByNumber.get(state.current);
  panel.replaceChildren();
  const steps = element("p", {}, stepButton("‹ back", -1), " ", stepButton("next on the front ›", 1));
  if (!trial) {
    panel.append(element("p", {}, "No trial is selected. Click one in a chart or in the table."), steps);
    return;
  }
  const names = Object.entries(report.picks).filter(([, number]) => number === trial.number);
  const title = [`trial ${trial.number}`, ...names.map(([pick]) => pick)].join(", ");
  const outcome = trial.outcome === "COMPLETE" ? [] : [element("p", { class: "note" }, `${trial.outcome.toLowerCase()}: ${trial.reason}`)];
  const driver = trial.driver || report.nobody;
  const metrics = report.metrics.map((name) => {
    const error = trial[`stderr/${name}`];
    return [name, shown(trial[name]) + (error ? ` ± ${shown(error, 2)}` : "")];
  });
  const weights = report.terms.map((term) => [`weight ${term}`, shown(trial[`relative/${term}`], 3)]);
  const chosen = report.chosen.filter((name) => trial[name] !== null).map((name) => [name, shown(trial[name])]);
  panel.append(
    element("h3", {}, title), steps, ...outcome,
    pairs(metrics), pairs([...weights, ...chosen, ["driven by", driver]], "pairs small"),
    element("p", { class: "code" }, element("code", {}, weightSet(trial)), copyButton(weightSet(trial))),
  );
  drawCurves(trial);
}

function smallChart(title, data, layout) {
  const place = element("div", { class: "small-chart", "aria-label": title, role: "img" });
  panel.append(element("h3", {}, title), place);
  const dress = dressed({
    xaxis: {}, yaxis: {}, margin: { t: 8, r: 10, b: 32, l: 48 }, showlegend: false, ...layout,
  });
  Plotly.newPlot(place, data, dress, { ...CONFIG, responsive: true });
}

function drawCurves(trial) {
  const curves = report.curves[trial.number];
  if (!curves) return;
  const parts = Object.keys(curves.parts);
  const factor = (at, epoch) => (curves.moved ? curves.moved[at][epoch] : curves.parts[parts[at]]);
  const weighted = parts.map((_, at) =>
    curves.sizes[at].map((size, epoch) => (size === null ? null : size * factor(at, epoch))));
  const totals = curves.epochs.map((_, epoch) =>
    weighted.reduce((sum, row) => sum + (row[epoch] ?? 0), 0));
  const negative = weighted.some((row) => row.some((value) => value < 0));
  const line = (part) => ({ color: report.colours[part], width: 2, dash: dashes(part) });
  const positive = weighted.every((row) => row.every((value) => value === null || value > 0));
  const log = positive && spread(weighted.flat()) > 8;
  smallChart("Weighted magnitude: what is left", parts.map((part, at) => ({
    x: curves.epochs, y: weighted[at], mode: "lines", name: safe(part), line: line(part),
  })), { yaxis: log ? logAxis(weighted.flat()) : { rangemode: "tozero" }, showlegend: true,
    legend: { orientation: "h", y: 1.02, yanchor: "bottom" }, margin: { t: 30, r: 10, b: 32, l: 48 } });
  smallChart("Share of the weighted loss", parts.map((part, at) => ({
    x: curves.epochs,
    y: weighted[at].map((value, epoch) => (value === null || !totals[epoch] ? null : value / totals[epoch])),
    mode: "lines", name: safe(part), line: line(part), stackgroup: negative ? undefined : "all",
  })), { yaxis: { tickformat: ".0%" }, xaxis: { title: { text: "epoch" } } });
  const driven = parts.filter((part) => typeof trial[`decrease/${part}`] === "number");
  if (!driven.length) return;
  smallChart("Decrease share: what drove", [{
    type: "bar", orientation: "h", y: driven.map(safe), x: driven.map((part) => trial[`decrease/${part}`]),
    marker: { color: driven.map((part) => report.colours[part]) },
    text: driven.map((part) => `${Math.round(100 * trial[`decrease/${part}`])}%`),
    textposition: "auto", hoverinfo: "none",
  }], { xaxis: { tickformat: ".0%" }, yaxis: { autorange: "reversed" }, margin: { t: 8, r: 10, b: 28, l: 80 } });
}

function dashes(part) {
  const at = Object.keys(report.colours).indexOf(part);
  return ["solid", "dash", "dot", "dashdot", "longdash", "longdashdot"][Math.max(at, 0) % 6];
}

function spread(values) {
  const known = values.filter((value) => value !== null);
  return Math.max(...known) / Math.min(...known);
}

// A logarithmic axis with numbers as people write them.
function logAxis(values) {
  const logs = values.filter((value) => value !== null).map(Math.log10);
  const [low, high] = [Math.floor(Math.min(...logs)), Math.ceil(Math.max(...logs))];
  const steps = high - low <= 2 ? [1, 2, 5] : [1];
  const every = Math.max(1, Math.ceil((high - low) / 5));
  const ticks = [];
  for (let at = low; at <= high; at += every) ticks.push(...steps.map((step) => step * 10 ** at));
  return { type: "log", tickvals: ticks, ticktext: ticks.map((tick) => shown(tick, 1)) };
}

function startTrial() {
  const tabs = ["picks", "trial"].map((name) => document.getElementById(`tab-${name}`));
  tabs.forEach((tab, at) => {
    tab.addEventListener("click", () => showTab(at ? "trial" : "picks"));
    tab.addEventListener("keydown", (event) => {
      if (event.key !== "ArrowRight" && event.key !== "ArrowLeft") return;
      tabs[1 - at].focus();
      showTab(at ? "picks" : "trial");
    });
  });
  onChange((why) => {
    if (why === "current") showTab(state.current === null ? "picks" : "trial");
  });
  document.addEventListener("click", (event) => {
    const select = event.target.closest(".select");
    if (select) selectTrial(Number(select.dataset.trial));
    const copy = event.target.closest(".copy");
    if (copy) copyText(copy);
  });
}

async function copyText(button) {
  const text = button.dataset.text;
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    // Some browsers refuse the clipboard to a page from disk, but not what is selected.
    const area = element("textarea", { "aria-hidden": "true" });
    area.value = text;
    document.body.append(area);
    area.select();
    document.execCommand("copy");
    area.remove();
  }
  button.textContent = "copied";
  setTimeout(() => { button.textContent = "copy"; }, 1500);
}
