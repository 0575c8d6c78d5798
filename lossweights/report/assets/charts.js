"use strict";
// The charts: drawn once they come into view, dressed in the page's colours, linked by the numbers
// of trials that their points carry.

const CONFIG = { responsive: true, displaylogo: false, displayModeBar: false };
const linked = [];
let usual = {}; // how lines look where none is selected

function colour(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

function dressed(layout) {
  const axis = {
    gridcolor: colour("--grid"), linecolor: colour("--line"), zerolinecolor: colour("--line"),
    automargin: true,
  };
  const own = {};
  for (const name of Object.keys(layout)) {
    if (/^[xy]axis\d*$/.test(name)) own[name] = { ...axis, ...layout[name] };
  }
  if (layout.ternary) {
    own.ternary = { ...layout.ternary, bgcolor: colour("--back") };
    for (const side of ["aaxis", "baxis", "caxis"]) {
      own.ternary[side] = { ...layout.ternary[side], gridcolor: colour("--grid"), linecolor: colour("--line") };
    }
  }
  return {
    ...layout,
    ...own,
    paper_bgcolor: colour("--back"), // of which parallel coordinates make a halo around numbers
    plot_bgcolor: "rgba(0,0,0,0)",
    font: { color: colour("--text"), family: "system-ui, sans-serif", size: 12 },
    hoverlabel: { bgcolor: colour("--panel"), bordercolor: colour("--line"), font: { color: colour("--text") } },
  };
}

function narrow() {
  return document.documentElement.clientWidth < 640;
}

// Parts of a figure that stand side by side, one below the other.
function stacked(layout) {
  const across = Object.keys(layout).filter((name) => /^xaxis\d*$/.test(name));
  if (across.length < 2) return;
  const room = 1 / across.length;
  across.forEach((name, at) => {
    const up = name.replace("x", "y");
    layout[name] = { ...layout[name], domain: [0, 1] };
    layout[up] = { ...layout[up], domain: [1 - (at + 0.72) * room, 1 - at * room] };
  });
  layout.height = 160 + 300 * across.length;
}

function fitted(place, figure) {
  const layout = dressed(figure.layout);
  if (place.classList.contains("tall")) layout.height = place.clientHeight;
  if (narrow()) {
    layout.margin = { ...layout.margin, l: 48, r: 10 };
    layout.legend = { ...layout.legend, font: { size: 10 }, yref: "container", y: 0, yanchor: "bottom" };
    stacked(layout);
  }
  return layout;
}

// The traces of a figure; on a narrow screen names of the front stand elsewhere.
function traces(place, figure) {
  if (place.dataset.figure !== "front" || !narrow()) return figure.data;
  return figure.data.map((trace, at) => ({ ...trace, textposition: report.narrow[at] ?? undefined }));
}

async function drawChart(place) {
  const name = place.dataset.figure;
  const figure = report.figures[name];
  if (!figure || place.dataset.drawn) return;
  place.dataset.drawn = "yes";
  if (name === "parallel") dressLines(place, figure.data[0]);
  for (const trace of figure.data) {
    if (trace.hoverinfo === "text" && trace.customdata) trace.hovertext = trace.customdata.map(trialText);
  }
  const layout = fitted(place, figure);
  if (layout.height) place.style.minHeight = `${layout.height}px`;
  await Plotly.newPlot(place, traces(place, figure), layout, CONFIG);
  linked.push(place);
  place.tabIndex = 0;
  place.setAttribute("role", "group");
  place.on("plotly_click", (event) => {
    const number = numberOf(event.points[0]);
    if (number !== null) selectTrial(number);
  });
  if (name === "parallel") {
    place.on("plotly_restyle", ([update]) => {
      if (!("line" in update)) brushTrials(brushedOf(place, figure)); // or else it was `markLine`
    });
  }
  place.addEventListener("keydown", onKey);
  mark(place);
}

// What is shown beside a trial that is pointed at.
function trialText(number) {
  const trial = trialByNumber.get(number);
  const line = (name, key) => `${safe(name)} ${safe(shown(trial[key]))}`;
  return [
    `<b>trial ${number}</b>`,
    ...report.metrics.map((name) => line(name, name)),
    ...report.terms.map((term) => line(`weight of ${term}`, `relative/${term}`)),
    ...report.chosen.filter((name) => trial[name] !== null).map((name) => line(name, name)),
    `driven by ${safe(trial.driver || report.nobody)}`,
  ].join("<br>");
}

function numberOf(point) {
  if (!point) return null;
  const data = point.customdata;
  const number = Array.isArray(data) ? data[point.pointNumber ?? 0] : data;
  return typeof number === "number" ? number : null;
}

function onKey(event) {
  const steps = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 };
  if (event.key in steps) {
    event.preventDefault();
    selectTrial(neighbour(steps[event.key]));
  } else if (event.key === "Escape") {
    selectTrial(null);
  }
}

// Colours that show on the page, light or dark, and room for every axis.
function dressLines(place, lines) {
  lines.line.colorscale = [[0, colour("--low")], [0.5, colour("--middle")], [1, colour("--high")]];
  lines.tickfont = { color: colour("--text") };
  usual = { ...lines.line };
  place.style.minWidth = `${6.5 * lines.dimensions.length}rem`;
}

// The trials that lie within the brushed parts of all axes.
function brushedOf(place, figure) {
  const axes = place.data[0].dimensions;
  const limits = axes.map((axis) => {
    const range = axis.constraintrange;
    return !range ? null : Array.isArray(range[0]) ? range : [range];
  });
  if (limits.every((range) => range === null)) return null;
  const numbers = figure.data[0].customdata;
  return new Set(numbers.filter((_, at) => limits.every((ranges, axis) =>
    ranges === null || ranges.some(([low, high]) =>
      axes[axis].values[at] >= low && axes[axis].values[at] <= high))));
}

// The line of the selected trial stands out, on top of the others.
function markLine(place, numbers) {
  const at = numbers.indexOf(state.current);
  if (at < 0 && !place.dataset.marked) return;
  place.dataset.marked = at < 0 ? "" : "yes";
  const line = at < 0 ? usual : {
    color: numbers.map((number) => (number === state.current ? 1 : 0)),
    colorscale: [[0, colour("--line")], [1, colour("--accent")]], cmin: 0, cmax: 1, showscale: false,
  };
  Plotly.restyle(place, { line: [line] }, [0]);
}

// Shows what is selected: brushed trials stay bright, and a ring is around the current one.
function mark(place) {
  if (place.dataset.figure === "importance") return;
  const figure = report.figures[place.dataset.figure];
  if (place.dataset.figure === "parallel") {
    markLine(place, figure.data[0].customdata);
    return;
  }
  const bars = figure.data[0].type === "bar";
  const rings = new Map();
  const selections = figure.data.map((trace) => {
    if (!Array.isArray(trace.customdata)) return null;
    const found = trace.customdata.indexOf(state.current);
    if (found >= 0 && !bars) {
      const frame = `${trace.xaxis || ""}${trace.yaxis || ""}${trace.subplot || ""}`;
      if (!rings.has(frame)) rings.set(frame, ringAround(trace, found));
    }
    const kept = bars && state.current !== null && report.front.includes(state.current)
      ? new Set([state.current]) : state.brushed;
    if (kept === null) return null;
    return trace.customdata.flatMap((number, at) => (kept.has(number) ? [at] : []));
  });
  const data = traces(place, figure).map((trace, at) => ({
    ...trace,
    selectedpoints: selections[at],
    unselected: { marker: { opacity: bars ? 0.35 : 0.08 } },
  }));
  Plotly.react(place, [...data, ...rings.values()], fitted(place, figure), CONFIG);
}

function ringAround(trace, at) {
  const where = {};
  for (const key of ["x", "y", "a", "b", "c"]) if (trace[key]) where[key] = [trace[key][at]];
  for (const key of ["type", "xaxis", "yaxis", "subplot"]) if (trace[key]) where[key] = trace[key];
  return {
    ...where,
    mode: "markers",
    name: "selected",
    showlegend: false,
    hoverinfo: "skip",
    customdata: [state.current],
    marker: { symbol: "circle-open", size: 22, color: colour("--text"), line: { width: 3 } },
  };
}

function startCharts() {
  const places = [...document.querySelectorAll(".chart")];
  for (const place of places) {
    if (report.figures[place.dataset.figure]) continue;
    const around = place.closest("details.figure") || (place.dataset.figure === "front" ? place : place.closest("section"));
    around.hidden = true;
  }
  const watcher = new IntersectionObserver((seen) => {
    for (const entry of seen) if (entry.isIntersecting) drawChart(entry.target);
  }, { rootMargin: "300px" });
  for (const place of places) watcher.observe(place);
  drawChart(document.querySelector("[data-figure=front]"));
  for (const fold of document.querySelectorAll("details.figure")) {
    fold.addEventListener("toggle", () => {
      const place = fold.querySelector(".chart");
      if (fold.open && place.dataset.drawn) Plotly.Plots.resize(place);
    });
  }
  onChange(() => linked.forEach(mark));
  addEventListener("beforeprint", () => places.forEach(drawChart));
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
    for (const place of linked) {
      const figure = report.figures[place.dataset.figure];
      Plotly.relayout(place, fitted(place, figure));
      if (place.dataset.figure !== "parallel") continue;
      dressLines(place, figure.data[0]);
      Plotly.restyle(place, { line: [usual] }, [0]);
      mark(place);
    }
  });
}
