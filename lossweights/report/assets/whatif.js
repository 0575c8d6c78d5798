"use strict";
// What if a weight moves, and the other way round: which weights give an outcome, and what it costs.

const CANDIDATES = 1200;
const ROOM = 3; // how many times beyond what was tried a slider goes
const whatif = { weights: [], field: null, example: null };

function slider(term, at) {
  const { low, high } = report.whatif;
  const id = `weight-${at}`;
  const input = element("input", {
    type: "range", id, step: "any",
    min: Math.log10(low[at] / ROOM), max: Math.log10(high[at] * ROOM),
  });
  const output = element("output", { for: id });
  input.addEventListener("input", () => {
    whatif.weights[at] = 10 ** Number(input.value);
    showPrediction();
  });
  return element("div", { class: "slider" }, element("label", { for: id }, term.includes("/") ? term : `weight of ${term}`), output, input);
}

function setWeights(weights) {
  whatif.weights = [...weights];
  document.querySelectorAll("#sliders input").forEach((input, at) => {
    input.value = Math.log10(weights[at]);
  });
  showPrediction();
}

function weightsOf(number) {
  const trial = trialByNumber.get(number);
  return trial && report.whatif.terms.map((term) => trial[term.includes("/") ? term : `relative/${term}`] || null);
}

function showPrediction() {
  document.querySelectorAll("#sliders output").forEach((output, at) => {
    output.textContent = shown(whatif.weights[at], 3);
    const input = output.parentElement.querySelector("input");
    input.setAttribute("aria-valuetext", shown(whatif.weights[at], 3));
  });
  const place = document.getElementById("predicted");
  place.replaceChildren();
  let far = false;
  for (const metric of Object.keys(report.whatif.metrics)) {
    const found = predict(metric, whatif.weights);
    const out = beyond(metric, whatif.weights, found);
    far = far || out;
    place.append(element("div", { class: out ? "prediction beyond" : "prediction", "data-metric": metric },
      element("span", {}, metric),
      element("span", {}, element("b", {}, shown(found.middle)), ` (${shown(found.low, 3)} to ${shown(found.high, 3)})`)));
  }
  if (far) place.append(element("p", { class: "beyond" }, "Extrapolation: no trial is near these weights. Do not rely on it."));
}

// ---- pulling an outcome

function better(metric) {
  const direction = report.objectives[metric] || report.directions[metric];
  return direction === "maximize" ? -1 : direction === "minimize" ? 1 : 0;
}

function wishable() {
  return Object.keys(report.whatif.metrics).filter((metric) => better(metric) !== 0);
}

function wishRow(metric) {
  const values = trials.map((trial) => trial[metric]).filter((value) => typeof value === "number");
  const [low, high] = [Math.min(...values), Math.max(...values)];
  const log = report.whatif.metrics[metric].log;
  const to = (value) => (log ? Math.log10(value) : value);
  const from = (value) => (log ? 10 ** value : value);
  const sign = better(metric);
  const id = `wish-${Object.keys(report.whatif.metrics).indexOf(metric)}`;
  const check = element("input", { type: "checkbox", id });
  const words = sign > 0 ? "at most" : "at least";
  const range = element("input", { type: "range", min: to(low), max: to(high), step: "any", "aria-label": `${metric} ${words}` });
  const number = element("input", { type: "number", step: "any", "aria-label": `${metric} ${words}, as a number` });
  const set = (value) => { range.value = to(value); number.value = shown(value, 3); };
  set(from((to(low) + to(high)) / 2));
  range.addEventListener("input", () => { check.checked = true; forgetExample(metric); number.value = shown(from(Number(range.value)), 3); pull(); });
  number.addEventListener("input", () => { check.checked = true; forgetExample(metric); range.value = to(Number(number.value)); pull(); });
  check.addEventListener("change", () => { forgetExample(metric); pull(); });
  return element("div", { class: "wish", "data-metric": metric },
    element("label", { for: id }, check, ` ${metric} ${words}`), range, number);
}

function wishOf(metric) {
  return [...document.querySelectorAll(".wish")].find((row) => row.dataset.metric === metric);
}

// What the first pick gives, asked for, so that an answer is there before anybody asks.
function showExample() {
  const metric = wishable().filter((name) => name in report.objectives).at(-1);
  const value = trialByNumber.get(Object.values(report.picks)[0])?.[metric];
  if (typeof value !== "number") return;
  const number = wishOf(metric).querySelector("[type=number]");
  number.value = shown(value + better(metric) * Math.abs(value) * 0.005, 3); // rounded to its worse side
  number.dispatchEvent(new Event("input"));
  whatif.example = metric;
}

// Whoever asks for another outcome does not ask for that of the example.
function forgetExample(metric) {
  const example = whatif.example;
  whatif.example = null;
  if (example && example !== metric) wishOf(example).querySelector("[type=checkbox]").checked = false;
}

function wishes() {
  return [...document.querySelectorAll(".wish")].filter((row) => row.querySelector("[type=checkbox]").checked)
    .map((row) => ({ metric: row.dataset.metric, bound: Number(row.querySelector("[type=number]").value) }))
    .filter((wish) => Number.isFinite(wish.bound));
}

function keeps(wanted, values) {
  return wanted.every(({ metric, bound }) => better(metric) * (values[metric] - bound) <= 0);
}

// What one pays: the other objectives, each in parts of its range over the front.
function cost(values, others) {
  return others.reduce((sum, metric) => {
    const on = report.front.map((number) => trialByNumber.get(number)[metric]);
    const range = Math.max(...on) - Math.min(...on) || 1;
    return sum + (better(metric) * values[metric]) / range;
  }, 0);
}

function field() {
  if (!whatif.field) {
    const metrics = wishable();
    whatif.field = candidates(CANDIDATES).map((weights) => ({
      weights,
      values: Object.fromEntries(metrics.map((metric) => [metric, middleOf(metric, weights)])),
    }));
  }
  return whatif.field;
}

function cheapest(found, others) {
  return found.reduce((best, each) =>
    (best === null || cost(each.values, others) < cost(best.values, others) ? each : best), null);
}

function pull() {
  const place = document.getElementById("pulled");
  place.replaceChildren();
  const wanted = wishes();
  if (!wanted.length) return;
  const named = new Set(wanted.map((wish) => wish.metric));
  let others = Object.keys(report.objectives).filter((metric) => !named.has(metric) && metric in report.whatif.metrics);
  if (!others.length) others = [...named];
  const said = wanted.map(({ metric, bound }) => `${metric} ${better(metric) > 0 ? "at most" : "at least"} ${shown(bound)}`).join(" and ");
  const inside = cheapest(field().filter((each) => keeps(wanted, each.values)), others);
  const measured = trials.filter((trial) => report.metrics.every((name) => !(name in report.objectives) || typeof trial[name] === "number"))
    .map((trial) => ({ trial, values: trial }));
  const tried = cheapest(measured.filter((each) => keeps(wanted, each.values)), others);
  const range = (found) => ` (${shown(found.low, 3)} to ${shown(found.high, 3)})`;
  const text = (values, weights = null) => others.map((metric) => {
    const all = measured.map((each) => each.values[metric]);
    const best = better(metric) > 0 ? Math.min(...all) : Math.max(...all);
    const worse = better(metric) * (values[metric] - best);
    const against = `${shown(Math.abs(worse), 3)} ${worse > 0 ? "worse" : "better"} than`;
    const ends = weights ? range(predict(metric, weights)) : "";
    return `${metric} ${shown(values[metric])}${ends}, ${worse === 0 ? "as good as" : against} the best of all trials`;
  }).join(", ");
  if (inside) {
    const weights = [...inside.weights.map((weight, at) => `${report.whatif.terms[at]} ${shown(weight, 3)}`),
      ...Object.entries(report.whatif.fixed).map(([term, weight]) => `${term} ${shown(weight, 3)}`)];
    const use = element("button", { type: "button" }, "set the sliders to these weights");
    use.addEventListener("click", () => setWeights(inside.weights));
    place.append(element("p", { class: "pulled" }, element("b", {}, `Predicted: ${said} costs `), text(inside.values, inside.weights),
      `; weights ${weights.join(", ")}. `, use));
  } else {
    place.append(element("p", { class: "note" }, `No weights within what was tried are predicted to give ${said}.`));
  }
  if (tried) {
    place.append(element("p", {}, element("b", {}, "Measured: "), "the trial that gives it at the least cost is ",
      element("button", { type: "button", class: "link select", "data-trial": tried.trial.number }, `trial ${tried.trial.number}`),
      `, with ${wanted.map(({ metric }) => `${metric} ${shown(tried.values[metric])}`).join(", ")} and ${text(tried.values)}.`));
  } else {
    place.append(element("p", {}, `No trial measured ${said}.`));
  }
}

function startWhatIf() {
  if (!report.whatif) return;
  document.getElementById("what-if").hidden = false;
  document.getElementById("sliders").append(...report.whatif.terms.map(slider));
  document.getElementById("wishes").append(...wishable().map(wishRow));
  document.getElementById("trust").textContent =
    `Gaussian processes on the logarithms of the weights, from ${report.whatif.points.length} trials; in brackets 95 % of single trainings. ` +
    `Cross-validated: ${Object.keys(report.whatif.metrics).map(errorText).join("; ")}.`;
  const first = Object.values(report.picks)[0];
  const start = () => {
    const { low, high } = report.whatif;
    const found = weightsOf(first);
    setWeights(found && found.every((weight) => weight) ? found : low.map((each, at) => Math.sqrt(each * high[at])));
  };
  document.getElementById("to-pick").addEventListener("click", start);
  document.getElementById("to-selected").addEventListener("click", () => {
    const found = weightsOf(state.current);
    if (found && found.every((weight) => weight)) setWeights(found);
  });
  start();
  showExample();
}
