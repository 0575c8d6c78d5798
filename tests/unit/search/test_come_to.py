"""What trials would have come to that stopped at a rung."""

import numpy as np
import optuna
import pytest
from optuna.trial import TrialState, create_trial

from lossweights.search._come_to import come_to
from lossweights.search._cube import Cube
from lossweights.search._lessons import RUNGS, Lessons

SPACE = {name: optuna.distributions.FloatDistribution(0.0, 1.0) for name in ("a", "b")}


def ends(points):
    """The costs of two objectives at the end."""
    return np.stack([points[:, 0] ** 2, np.sin(3 * points[:, 1]) + points[:, 0]], axis=1)


def gains(points):
    """What is still to be lost at the rung: most where both weights are large."""
    return np.stack([2 + points.sum(axis=1), 5 * points[:, 0] * points[:, 1]], axis=1)


def made(count=40, seed=0):
    """Points, their costs at the end, and those at the rung after epoch 5."""
    points = np.random.default_rng(seed).uniform(size=(count, 2))
    return points, ends(points), ends(points) + gains(points)


def test_those_that_stopped_are_where_they_would_have_ended():
    """To a few hundredths, though what they had still to gain differs by a factor of two."""
    points, end, rung = made()
    whole = np.arange(len(points)) % 2 == 0
    rungs = [{5: row} for row in rung]
    found = come_to(points, np.where(whole[:, None], end, rung), rungs, whole)
    assert found[whole].tolist() == end[whole].tolist()
    off = np.abs(found - end)[~whole]
    assert np.median(off) < 0.02
    assert off.max() < 0.5
    assert np.abs(rung - end)[~whole].max() > 3


def test_each_rung_has_its_own_gain():
    """What stopped early had more to gain than what stopped late."""
    rungs = [{5: np.array([9.0]), 10: np.array([4.0])}] * 2
    rungs += [{5: np.array([9.0])}, {5: np.array([9.0]), 10: np.array([4.0])}]
    costs = np.array([[1.0], [1.0], [9.0], [4.0]])
    found = come_to(np.eye(4), costs, rungs, np.array([True, True, False, False]))
    assert found.tolist() == [[1.0]] * 4


@pytest.mark.parametrize("rungs", [[{}, {5: np.array([3.0])}], [{10: np.array([2.0])}, {}]])
def test_where_nothing_is_known_costs_stay(rungs):
    """No trial that ended well has been at that rung."""
    costs = np.array([[1.0], [3.0]])
    found = come_to(np.eye(2), costs, rungs, np.array([True, False]))
    assert found.tolist() == costs.tolist()


def test_one_that_nearly_diverged_does_not_decide_for_all():
    """It lost a millionfold from the rung to its end."""
    points, end, rung = made()
    end[0] += 1e6
    whole = np.arange(len(points)) % 2 == 0
    found = come_to(points, np.where(whole[:, None], end, rung), [{5: row} for row in rung], whole)
    assert np.median(np.abs(found - end)[~whole]) < 0.5 < np.median(np.abs(rung - end)[~whole])


def test_a_study_with_what_is_maximised():
    """Costs are negative there, and so are those at rungs."""
    study = optuna.create_study(directions=["minimize", "maximize"])
    points, end, rung = made()
    for row, (point, last, early) in enumerate(zip(points, end, rung, strict=True)):
        complete = row % 2 == 0
        study.add_trial(
            create_trial(
                state=TrialState.COMPLETE if complete else TrialState.PRUNED,
                values=[last[0], -last[1]] if complete else None,
                params=dict(zip(SPACE, point.tolist(), strict=True)),
                distributions=SPACE,
                user_attrs={RUNGS: {"5": [early[0], -early[1]]}},
            )
        )
    asked = study.ask(SPACE)
    lessons = Lessons.of(study, study.get_trials()[asked.number], Cube(SPACE))
    whole = np.arange(len(points)) % 2 == 0
    wanted = come_to(points, np.where(whole[:, None], end, rung), [{5: row} for row in rung], whole)
    assert np.allclose(lessons.costs, wanted)
