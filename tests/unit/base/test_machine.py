"""What is known of the machine, and what is taken where the system does not tell."""

import os

from lossweights.base import machine


def test_no_more_cores_than_there_are():
    """The process may be bound to some of them."""
    assert 1 <= machine.available_cores() <= os.cpu_count()


def test_the_processor_has_a_name():
    """The same every time, so that rates are found again."""
    assert machine.processor() == machine.processor()
    assert isinstance(machine.processor(), str)
