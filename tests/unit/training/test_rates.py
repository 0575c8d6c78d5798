"""What is fastest by the rates that were measured, and that only rates are read as such."""

import pytest

from lossweights.training._rates import CLEARLY, Rates


@pytest.mark.parametrize(
    ("stacked", "expected"),
    [
        ({16: 1.0, 32: 1.0, 64: 1.0}, 32),
        ({16: 1.0, 32: 1.0, 64: 0.99 / CLEARLY}, 64),
        ({16: 1.0, 32: 1.0, 64: 1.01 / CLEARLY}, 32),
        ({16: 0.5, 32: 1.0, 64: 0.45}, 16),  # not clearly slower than 64, and tried first
        ({16: 0.7, 32: 1.0, 64: 0.5}, 64),
        ({16: 1.0, 64: 1.0}, 16),  # of equal distance the smaller one
    ],
)
def test_the_usual_size_stands_unless_another_is_clearly_faster(stacked, expected):
    """Ties go to what is nearer to the usual size."""
    assert Rates(stacked).best(32, most=1024) == ("stacked", expected)


def test_sizes_beyond_the_most_do_not_count():
    """Less memory is free than when they were measured."""
    rates = Rates({8: 2.0, 16: 1.5, 32: 1.0})
    assert rates.best(8, most=16) == ("stacked", 16)
    assert rates.best(8, most=4) == ("stacked", 4)
    assert Rates({8: 2.0}, serial=3.0).best(4, most=4) == ("serial", 1)


def test_one_after_another_is_nearer_than_a_stack_where_one_fills_the_cache():
    """The serial trainer is the usual one there."""
    assert Rates({2: 1.0}, serial=1.1).best(1, most=8) == ("serial", 1)
    assert Rates({2: 1.0}, serial=1.1).best(2, most=8) == ("stacked", 2)


def test_fit_is_the_last_resort():
    """Ties go to the others."""
    assert Rates(serial=1.0, fit=0.9).best(1, most=8) == ("serial", 1)
    assert Rates(serial=1.0, fit=0.7).best(1, most=8) == ("fit", 1)


@pytest.mark.parametrize(
    "value",
    [
        None, [], {}, {"stacked": {}}, {"stacked": {}, "serial": None, "fit": None},
        {"stacked": [], "serial": 1.0, "fit": None},
        {"stacked": {"0": 1.0}, "serial": None, "fit": None},
        {"stacked": {"-8": 1.0}, "serial": None, "fit": None},
        {"stacked": {"8.0": 1.0}, "serial": None, "fit": None},
        {"stacked": {"9" * 30: 1.0}, "serial": None, "fit": None},
        {"stacked": {"8": 0.0}, "serial": None, "fit": None},
        {"stacked": {"8": "1"}, "serial": None, "fit": None},
        {"stacked": {"8": True}, "serial": None, "fit": None},
        {"stacked": {}, "serial": float("inf"), "fit": None},
        {"stacked": {}, "serial": float("nan"), "fit": None},
        {"stacked": {}, "serial": -1.0, "fit": 1.0},
        {"stacked": {}, "serial": 10**400, "fit": 1.0},
        {"stacked": {}, "serial": 1.0, "fit": 1.0, "more": 1.0},
    ],
)  # fmt: skip
def test_what_are_no_rates_is_refused(value):
    """A file may hold anything."""
    with pytest.raises(ValueError, match="expected"):
        Rates.from_json(value)


def test_words():
    """Each in a unit that fits; what was not measured is not named."""
    rates = Rates({32: 44e-6, 16: 52e-6, 64: 0.0123}, serial=3e-4, fit=1.5)
    assert str(rates) == (
        "52 us in stacks of 16, 44 us of 32, 12.3 ms of 64, 300 us one after another, "
        "1.5 s in model.fit"
    )
    assert str(Rates(fit=2e-3)) == "2 ms in model.fit"
