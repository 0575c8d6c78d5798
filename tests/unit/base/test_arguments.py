"""The arguments of a class, wherever they are named, and what an instance keeps of them."""

from lossweights.base.arguments import kept_arguments, parameters


class Named:
    """Hands nothing on."""

    def __init__(self, *, name="none", size=1):
        self.name = name


class Sized(Named):
    """Hands the rest on, with a default of its own for one of them."""

    def __init__(self, size, *rest, unit="m", **named):
        super().__init__(**named)
        self.size, self.unit = size, unit


class Same(Sized):
    """Has no constructor of its own."""


class Closed(Sized):
    """Takes nothing but its own argument."""

    def __init__(self, depth):
        super().__init__(2 * depth)
        self._depth = depth


def test_arguments_of_all_constructors():
    """A class that hands arguments on takes those of the next one too, its own first."""
    for cls in (Sized, Same):
        assert list(parameters(cls)) == ["size", "unit", "name"]
    assert parameters(Sized)["size"].default is parameters(Sized)["size"].empty
    assert list(parameters(Named)) == ["name", "size"]


def test_a_constructor_that_hands_nothing_on_ends_the_list():
    """What a class does not take is none of its arguments, whatever its base takes."""
    assert list(parameters(Closed)) == ["depth"]
    assert parameters(object) == {}


def test_kept_arguments():
    """An instance gives the arguments that it keeps under their names, and leaves others out."""
    assert kept_arguments(Same(3, name="own")) == {"size": 3, "unit": "m", "name": "own"}
    assert kept_arguments(Named()) == {"name": "none"}
    assert kept_arguments(Closed(1)) == {}
