"""Independent implementations of adaptive weighting, from the papers, over a whole training."""

import math

import numpy as np


def over_sum(values):
    """Values over their sum, times how many there are."""
    return len(values) * np.asarray(values) / np.sum(values)


def dwa_reference(losses):
    """DWA, eq. 7."""
    k = len(losses[0])
    rows = [np.ones(k), np.ones(k)][: len(losses)]
    for t in range(2, len(losses)):
        e = np.exp(losses[t] / losses[t - 1] / 2.0)
        rows.append(k * e / e.sum())
    return np.array(rows)


def softadapt_reference(losses, variant, beta=0.1):
    """SoftAdapt, sections 3.1.1 to 3.1.3."""
    k = len(losses[0])
    rows = [np.ones(k)]
    for t in range(1, len(losses)):
        s = np.array([losses[t][i] - losses[t - 1][i] for i in range(k)])
        if variant == "normalized":
            s = s / (sum(abs(x) for x in s) + 1e-8)
        e = [math.exp(beta * x) for x in s]
        if variant == "loss-weighted":
            e = [x * 0.5 * (losses[t][i] + losses[t - 1][i]) for i, x in enumerate(e)]
        rows.append(over_sum(e))
    return np.array(rows)


def relobralo_reference(losses, method):
    """ReLoBRaLo, with the draws of the method."""
    k = len(losses[0])

    def balance(t, u):
        e = [math.exp(losses[t][i] / (method.tau * losses[u][i])) for i in range(k)]
        return np.array([k * x / sum(e) for x in e])

    rows = [np.ones(k)]
    for t in range(1, len(losses)):
        rho = float(np.random.default_rng((method.seed, t)).random() < method.rho)
        history = rho * rows[-1] + (1 - rho) * balance(t, 0)
        rows.append(method.alpha * history + (1 - method.alpha) * balance(t, t - 1))
    return np.array(rows)


def gradnorm_reference(losses, vectors, method):
    """GradNorm, algorithm 1."""
    k = len(losses[0])
    w, m, v, rows = np.ones(k), np.zeros(k), np.zeros(k), []

    def objective(weights, target, lengths):
        return np.abs(weights * lengths - target).sum()

    for t in range(len(losses)):
        lengths = np.array([np.linalg.norm(g) for g in vectors[t]])
        q = losses[t] / losses[0]
        target = (w * lengths).mean() * (q / q.mean()) ** method.alpha
        h = 1e-7  # by differences, with the target held
        up = [objective(w + h * unit, target, lengths) for unit in np.eye(k)]
        down = [objective(w - h * unit, target, lengths) for unit in np.eye(k)]
        slope = (np.array(up) - np.array(down)) / (2 * h)
        if method.optimizer == "sgd":
            w = w - method.rate * slope
        else:
            m, v = 0.9 * m + 0.1 * slope, 0.999 * v + 0.001 * slope**2
            mean, square = m / (1 - 0.9 ** (t + 1)), v / (1 - 0.999 ** (t + 1))
            w = w - method.rate * mean / (np.sqrt(square) + 1e-8)
        w = k * w / w.sum()
        rows.append(w)
    return np.array(rows)


def encodec_reference(vectors, shares, decay):
    """The balancer, with all powers of the decay written out."""
    rows, seen = [], []
    for of_step in vectors:
        seen.append([np.linalg.norm(g) for g in of_step])
        powers = decay ** np.arange(len(seen))[::-1]
        average = (powers[:, None] * seen).sum(axis=0) / powers.sum()
        rows.append(over_sum(np.array(shares) / sum(shares) / average))
    return np.array(rows)


class LearnedReference:
    """Kendall et al. 2018 with trained log-variances, one batch after another, from the paper.

    The slopes are differences of the paper's own sum, and the optimizer is written out.
    """

    def __init__(self, terms, optimizer, rate):
        self.v, self.optimizer, self.rate = np.zeros(terms), optimizer, rate
        self.m, self.s, self.t = np.zeros(terms), np.zeros(terms), 0

    @property
    def weights(self):
        """Those of the next batch, 1 on average: one over each variance."""
        return over_sum(1 / np.exp(self.v))

    def step(self, losses):
        """One batch with these magnitudes."""

        def objective(v):
            sigma = np.sqrt(np.exp(v))
            return sum(losses / (2 * sigma**2) + np.log(sigma))

        h = 1e-5
        units = np.eye(len(self.v)) * h
        slope = np.array([objective(self.v + u) - objective(self.v - u) for u in units]) / (2 * h)
        self.t += 1
        if self.optimizer == "sgd":
            self.v = self.v - self.rate * slope
            return
        self.m, self.s = 0.9 * self.m + 0.1 * slope, 0.999 * self.s + 0.001 * slope**2
        mean, square = self.m / (1 - 0.9**self.t), self.s / (1 - 0.999**self.t)
        self.v = self.v - self.rate * mean / (np.sqrt(square) + 1e-7)
