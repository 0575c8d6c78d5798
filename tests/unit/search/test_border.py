"""What is remembered of where nothing trains tells all of it."""

import numpy as np
import pytest

from lossweights.search._border import border


def nearest(points, others):
    """How far the next of the others is."""
    return np.sqrt(((points[:, None] - others[None]) ** 2).sum(axis=2)).min(axis=1)


@pytest.mark.parametrize("seed", range(5))
def test_what_is_left_out_is_still_told(seed):
    """Whatever the shape of the border: each point is nearer to one kept than to what trained."""
    points = np.random.default_rng(seed).uniform(size=(400, 3))
    bad = np.abs(points[:, 0] - 0.5) + points[:, 1] ** 2 > 0.6
    trained, barren = points[~bad], points[bad]
    found = border(trained, barren, 400)
    assert 0 < len(found) < len(barren) / 2
    assert (nearest(barren, barren[found]) < nearest(barren, trained)).all()


def test_no_more_than_asked_for_and_those_at_the_border():
    """The nearest come first."""
    trained, barren = np.array([[0.0], [1.0]]), np.array([[0.9], [0.5], [0.1], [0.3]])
    assert border(trained, barren, 1) == [0]
    assert border(trained, barren, 2) == [0, 2]


def test_where_nothing_trains_at_all_one_is_enough():
    """All of them are nearer to it than to what is not there."""
    assert len(border(np.empty((0, 2)), np.eye(2)[[0, 1, 0]], 9)) == 1
    assert border(np.eye(2), np.empty((0, 2)), 9) == []
