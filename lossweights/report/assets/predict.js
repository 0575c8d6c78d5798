"use strict";
// Predictions of metrics from weights: the Gaussian processes that Python fitted, from their numbers.

// Weights as the processes see them: logarithms, -1 to 1 over what was tried.
function unit(weights) {
  const { low, high } = report.whatif;
  return weights.map((weight, at) =>
    (2 * (Math.log(weight) - Math.log(low[at]))) / (Math.log(high[at]) - Math.log(low[at])) - 1);
}

function kernelTo(process, point) {
  return report.whatif.points.map((trial) => {
    let squared = 0;
    for (let at = 0; at < point.length; at += 1) {
      squared += ((point[at] - trial[at]) / process.lengths[at]) ** 2;
    }
    const far = Math.sqrt(5 * squared);
    return process.height * (1 + far + (far * far) / 3) * Math.exp(-far);
  });
}

function expected(process, near) {
  let sum = 0;
  for (let at = 0; at < near.length; at += 1) sum += near[at] * process.alpha[at];
  const mean = process.offset + process.scale * sum;
  return process.log ? Math.exp(mean) : mean;
}

// The middle, a 95 % interval for one more training, and how much of the variance is unknown.
function predict(metric, weights) {
  const process = report.whatif.metrics[metric];
  const near = kernelTo(process, unit(weights));
  const solved = [];
  let known = 0;
  for (let row = 0; row < near.length; row += 1) {
    let rest = near[row];
    const factor = process.factor[row];
    for (let at = 0; at < row; at += 1) rest -= factor[at] * solved[at];
    solved.push(rest / factor[row]);
    known += solved[row] ** 2;
  }
  const own = Math.max(process.height - known, 0);
  const spreadOf = 1.96 * process.scale * Math.sqrt(own + process.noise);
  const middle = expected(process, near);
  const ends = process.log
    ? [middle * Math.exp(-spreadOf), middle * Math.exp(spreadOf)]
    : [middle - spreadOf, middle + spreadOf];
  return { middle, low: ends[0], high: ends[1], unknown: process.scale * Math.sqrt(own) };
}

// Only the middle: a thousandth of the work, for searching.
function middleOf(metric, weights) {
  const process = report.whatif.metrics[metric];
  return expected(process, kernelTo(process, unit(weights)));
}

// Whether weights are beyond what was tried, or so far from every trial that nothing is known.
function beyond(metric, weights, found) {
  const { low, high, metrics } = report.whatif;
  const outside = weights.some((weight, at) => weight < low[at] * 0.999 || weight > high[at] * 1.001);
  return outside || found.unknown > 0.5 * metrics[metric].scale;
}

function errorText(metric) {
  const process = report.whatif.metrics[metric];
  const off = process.log ? `${shown(100 * (Math.exp(process.error) - 1), 2)} %` : shown(process.error, 2);
  return `${metric}: off by ${off} at trials left out, ${Math.round(100 * Math.max(process.explained, 0))} % of the variation explained`;
}

// Points that fill the cube evenly (additive recurrence; Roberts 2018), with the trials themselves.
function candidates(count) {
  const { low, high, terms, points } = report.whatif;
  let root = 2;
  for (let i = 0; i < 30; i += 1) root = (1 + root) ** (1 / (terms.length + 1));
  const steps = terms.map((_, at) => (1 / root) ** (at + 1) % 1);
  const found = points.map((point) => point.map((value, at) => scaled((value + 1) / 2, low[at], high[at])));
  for (let i = 0; i < count; i += 1) {
    found.push(steps.map((step, at) => scaled((0.5 + step * (i + 1)) % 1, low[at], high[at])));
  }
  return found;
}

function scaled(part, low, high) {
  return Math.exp(Math.log(low) + part * (Math.log(high) - Math.log(low)));
}
