"""The knee of a front: told by the front around it, and not by how far a search went."""

import numpy as np
import pytest
from scipy.optimize import brentq
from scipy.stats import norm

from lossweights.search.selection import find_knee, knee_index, pareto_mask

# The part of simulated additions to noisy fronts that may move the pick.
MOVED_BY_NOISE = 0.05


def two_quadratics(ratio):
    """Two squared distances, each with its optimum: ``sqrt(a) + sqrt(b) = 1``."""
    part = ratio / (1 + ratio)
    return np.stack([part**2, (1 - part) ** 2], axis=1)


def two_powers(ratio):
    """One objective with a flat optimum, one with a sharp one."""
    part = ratio / (1 + ratio)
    return np.stack([part**1.5, (1 - part) ** 3], axis=1)


def circle(ratio):
    """A quarter of a circle that bulges towards the ideal point."""
    angle = np.arctan(ratio)
    return np.stack([1 - np.cos(angle), 1 - np.sin(angle)], axis=1)


def outward_circle(ratio):
    """A quarter of a circle that bulges away from the ideal point."""
    angle = np.arctan(ratio)
    return np.stack([np.sin(angle), np.cos(angle)], axis=1)


def constant_prediction(ratio):
    """RMSE and shortfall of the best constant for Normal data, squared error and underestimation.

    With weight r on the linear penalty the optimum solves ``p = r P(y > p)``.
    """
    best = np.array([brentq(lambda p, r=r: p - r * norm.sf(p), 0, 50) for r in ratio])
    return np.stack([np.hypot(1, best), norm.pdf(best) - best * norm.sf(best)], axis=1)


def three_measures(ratio):
    """The same two, and a third that falls with the second."""
    rmse, shortfall = constant_prediction(ratio).T
    return np.stack([rmse, shortfall, np.sqrt(shortfall)], axis=1)


def decades(ratio):
    """A front whose objectives span decades."""
    return np.exp(8 * two_quadratics(ratio))


def beyond(front, count, side, far, low, high):
    """So many trials with weights beyond one end or both, near by or decades away."""
    steps = 10.0 ** np.arange(1, count + 1) if far else 1.15 ** np.arange(1, count + 1)
    ratios = {"low": low / steps, "high": high * steps}
    return front(np.concatenate([ratios[s] for s in ratios if side in (s, "both")]))


FRONTS = [two_quadratics, two_powers, circle, outward_circle, decades]


def ratios(count, low, high, rng=None):
    """Weights evenly spread over decades, or at random there."""
    ends = np.log(low), np.log(high)
    spread = np.linspace(*ends, count) if rng is None else np.sort(rng.uniform(*ends, count))
    return np.exp(spread)


@pytest.mark.parametrize("far", [False, True], ids=["near", "far"])
@pytest.mark.parametrize("side", ["low", "high", "both"])
@pytest.mark.parametrize("front", FRONTS)
def test_up_to_five_trials_beyond_an_end_leave_the_pick(front, side, far):
    """The same trial is picked with 1 to 5 more extreme ones, from fronts of 10 to 60 trials."""
    rng = np.random.default_rng(0)
    for count in (10, 17, 30, 60):
        for tried in (ratios(count, 0.02, 50.0), ratios(count, 0.02, 50.0, rng)):
            values = front(tried)
            pick = knee_index(values)
            for more in range(1, 6):
                added = beyond(front, more, side, far, 0.02, 50.0)
                assert knee_index(np.concatenate([values, added])) == pick
                assert knee_index(np.concatenate([added, values])) == pick + len(added)


def moved_by_noise(front, seeds, sd=0.01):
    """The part of additions to noisy fronts that move the pick."""
    moved = []
    for seed in range(seeds):
        rng = np.random.default_rng(seed)
        values = front(ratios(40, 0.02, 50.0, rng))
        noise = sd * np.ptp(values, axis=0)
        values = values + noise * rng.normal(size=values.shape)
        pick = knee_index(values)
        for more in range(1, 6):
            for side in ("low", "high", "both"):
                added = beyond(front, more, side, bool(rng.integers(2)), 0.02, 50.0)
                added = added + noise * rng.normal(size=added.shape)
                moved.append(knee_index(np.concatenate([values, added])) != pick)
    return np.mean(moved)


@pytest.mark.parametrize("front", [two_quadratics, two_powers, circle])
def test_up_to_five_trials_beyond_an_end_leave_the_pick_of_noisy_fronts(front):
    """Noise of 1 % of each objective's range: at most 5 % of the additions move the pick."""
    assert moved_by_noise(front, 20) <= MOVED_BY_NOISE


@pytest.mark.parametrize("front", [constant_prediction, three_measures])
def test_the_bounds_of_a_search_do_not_move_the_knee(front):
    """Upper bounds up to a million pick weights within a factor 1.35 of each other.

    On this exact problem the nearest trial to the ideal of the scaled front went from 2.2 to 11.4.
    """
    picked = []
    for high in (10.0, 30.0, 1e3, 1e6) if front is constant_prediction else (30.0, 1e3, 1e6):
        tried = ratios(int(12 * np.log10(high / 0.01)), 0.01, high)
        picked.append(tried[knee_index(front(tried))])
    assert max(picked) / min(picked) < 1.35
    if front is constant_prediction:
        assert 3 < min(picked) < 7  # in the Minkowski plane it bends least at 4.3


@pytest.mark.parametrize("front", [constant_prediction, three_measures])
@pytest.mark.parametrize("count", [30, 60])
def test_trials_beyond_the_ends_of_an_exact_sweep_leave_its_pick(front, count):
    """Constant prediction of Normal data, weights of 0.01 to 100, with two objectives and three."""
    values = front(ratios(count, 0.01, 100.0))
    pick = knee_index(values)
    for more in range(1, 6):
        for side in ("low", "high", "both"):
            for far in (False, True):
                added = beyond(front, more, side, far, 0.01, 100.0)
                assert knee_index(np.concatenate([values, added])) == pick


@pytest.mark.parametrize(("count", "left", "factor"), [(12, 0.5, 2.0), (60, 0.9, 1.35)])
def test_a_knee_next_to_an_end_may_move_to_a_neighbour(count, left, factor):
    """A search up to weight 10 hardly reaches the knee at 4.3: trials beyond show where it is."""
    tried = ratios(count, 0.01, 10.0)
    values = constant_prediction(tried)
    pick, stays, moves = tried[knee_index(values)], [], [1.0]
    for more in range(1, 6):
        for side in ("low", "high", "both"):
            for far in (False, True):
                steps = 10.0 ** np.arange(1, more + 1) if far else 1.15 ** np.arange(1, more + 1)
                ends = {"low": 0.01 / steps, "high": 10.0 * steps}
                added = np.concatenate([ends[s] for s in ends if side in (s, "both")])
                all_tried = np.concatenate([tried, added])
                found = all_tried[knee_index(constant_prediction(all_tried))]
                stays.append(found == pick)
                moves.append(max(found / pick, pick / found))
    print(f"{count} trials up to 10: {np.mean(stays):.0%} stay, moved by {max(moves):.2f} at most")
    assert np.mean(stays) >= left
    assert max(moves) <= factor


@pytest.mark.parametrize("front", [*FRONTS, constant_prediction, three_measures])
def test_other_units_leave_the_pick(front):
    """Scaling or shifting any objective changes nothing."""
    values = front(ratios(25, 0.02, 50.0, np.random.default_rng(1)))
    pick = knee_index(values)
    for objective in range(values.shape[1]):
        for factor, offset in ((1e-3, 0.0), (1e4, 0.0), (1.0, 7.0), (60.0, -1000.0)):
            changed = values.copy()
            changed[:, objective] = changed[:, objective] * factor + offset
            assert knee_index(changed) == pick


@pytest.mark.parametrize("front", [two_quadratics, circle])
def test_a_denser_search_moves_the_knee_little(front):
    """Trials crowded into one half of the weights leave the knee within a factor 2 of weights."""
    even = ratios(60, 0.02, 50.0)
    crowded = np.concatenate([ratios(15, 0.02, 50.0), ratios(45, 1.0, 50.0)])
    picks = [tried[knee_index(front(tried))] for tried in (even, crowded)]
    assert max(picks) / min(picks) < 2


def test_a_symmetric_front_has_its_knee_in_the_middle():
    """Two quadratics of one kind: at equal weights."""
    tried = ratios(41, 0.01, 100.0)
    assert tried[knee_index(two_quadratics(tried))] == pytest.approx(1.0)
    assert tried[knee_index(outward_circle(tried))] == pytest.approx(1.0)


def test_a_sharp_corner_is_the_knee():
    """Two straight arms meet in it, however many trials lie on each."""
    arm = np.linspace(0, 1, 9)[1:]
    steep = np.stack([1 - arm, 1 + 10 * arm], axis=1)
    flat = np.stack([1 + 10 * arm, 1 - arm], axis=1)
    for arms in ([steep, flat], [steep[::4], flat], [steep, flat[-1:]]):
        values = np.concatenate([[[1.0, 1.0]], *arms])
        assert knee_index(values) == 0


def test_two_points_have_no_knee():
    """It is said, and the nearer to equal weights is given; without weights, the first."""
    values = [[0.0, 1.0], [1.0, 0.0], [2.0, 2.0]]
    found = find_knee(values, weights=[[1.0, 100.0], [1.0, 3.0], [1.0, 1.0]])
    assert found.row == 1
    assert found.note == (
        "The front has two points and has no knee; these weights are the nearest to equal ones."
    )
    assert find_knee(values).row == 0
    assert "has two points and has no knee" in find_knee(values).note


def test_a_straight_front_has_no_knee():
    """Each of its trials is as good as the next: equal weights are given."""
    a = np.linspace(0, 1, 11)
    weights = np.stack([np.ones(11), np.logspace(-2, 1, 11)], axis=1)
    found = find_knee(np.stack([a, 3 - 2 * a], axis=1), weights)
    assert "is straight and has no knee" in found.note
    assert weights[found.row, 1] == pytest.approx(1.0, rel=0.3)


def test_one_point_and_one_objective_have_their_best():
    """No note is needed there."""
    assert find_knee([[2.0, 2.0], [1.0, 1.0]]) == (1, "")
    assert find_knee([[3.0], [1.0], [2.0]]) == (1, "")


def three_quadratics(weights):
    """Squared distances in the plane to three points, at the optimum of their weighted sum."""
    centres = np.array([[0.0, 0.0], [1.0, 0.2], [0.3, 0.9]])
    best = weights @ centres / weights.sum(axis=1, keepdims=True)
    return ((best[:, np.newaxis] - centres) ** 2).sum(axis=-1)


@pytest.mark.parametrize("noise", [0.0, 0.01])
def test_trials_beyond_a_corner_of_a_surface_leave_its_pick(noise):
    """Three objectives traded freely: at least 98 % of the additions leave it, 90 % with noise."""
    kept = []
    for seed in range(20):
        rng = np.random.default_rng(seed)
        values = three_quadratics(np.exp(rng.uniform(-2.5, 2.5, (40, 3))))
        values = values + noise * rng.normal(size=values.shape)
        pick = knee_index(values)
        for more in range(1, 6):
            corner = np.exp(rng.uniform(-2.5, 2.5, (more, 3)))
            corner[:, rng.integers(3)] *= 1e3
            added = three_quadratics(corner) + noise * rng.normal(size=(more, 3))
            kept.append(knee_index(np.concatenate([values, added])) == pick)
    assert np.mean(kept) >= (0.9 if noise else 0.98)


@pytest.mark.slow
@pytest.mark.parametrize("front", [two_quadratics, two_powers, circle])
def test_noisy_fronts_by_the_hundred(front):
    """As above with 200 seeds: at most 5 % of 3,000 additions move the pick."""
    assert moved_by_noise(front, 200) <= MOVED_BY_NOISE


@pytest.mark.parametrize("objectives", [2, 3, 4])
def test_front_of_thousands_is_what_brute_force_finds(objectives):
    """On a surface of which no point beats another, and in a cloud with equal points."""
    rng = np.random.default_rng(objectives)
    surface = -np.abs(rng.normal(size=(3000, objectives)))
    surface /= np.linalg.norm(surface, axis=1, keepdims=True)
    assert pareto_mask(surface).all()
    assert pareto_mask(np.concatenate([surface, surface])).all()
    cloud = rng.integers(0, 12, (2000, objectives)).astype(float)
    wanted = [not ((cloud <= row).all(axis=1) & (cloud < row).any(axis=1)).any() for row in cloud]
    assert pareto_mask(cloud).tolist() == wanted


def test_of_two_middle_corners_the_one_nearer_to_the_best_of_the_second_is_taken():
    """Both exchange as much, as on every hull of four points: the order of objectives decides."""
    front = np.array([[0.0, 10.0], [1.0, 4.0], [4.0, 2.0], [10.0, 0.0]])
    assert (knee_index(front), knee_index(front[:, ::-1])) == (2, 1)


def test_a_straight_front_in_float32_has_no_knee():
    """Rounding makes no corner."""
    t = np.linspace(0, 1, 9)
    front = np.stack([1.3 * t, 0.7 * (1 - t)], axis=1)
    for values in (front, front.astype("float32")):
        knee = find_knee(values)
        assert (knee.row, "straight" in knee.note) == (4, True)


def test_two_points_are_equally_near_to_the_ideal():
    """So without weights the first is taken, and said to be."""
    for values in ([[0.0, 1.0], [1.0, 0.0]], [[1.0, 0.0], [0.0, 1.0]]):
        knee = find_knee(values)
        assert knee.row == 0
        assert knee.note.endswith("this is the first of the two.")
