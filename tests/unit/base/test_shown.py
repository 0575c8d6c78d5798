"""How objects show themselves."""

import numpy as np

from lossweights.base.shown import call_of, short, table


def test_what_is_long_is_cut_in_one_line():
    """Arrays are their shape, functions their name, objects at an address their class."""

    class Odd:
        """Nothing of its own."""

    assert short(np.zeros((3, 4))) == "<3 x 4>"
    assert short({"f": len, "odd": Odd()}) == "{'f': len, 'odd': Odd()}"
    cut = short(list(range(1000)))
    assert len(cut) == 60
    assert cut.endswith("...]")


def test_arguments_of_usual_value_are_left_out():
    """Also where comparing gives no single truth, as with arrays."""

    class Kept:
        """Keeps what it is given."""

        def __init__(self, values, scale=1.0, flag=True):
            self.values, self.scale, self.flag = values, scale, flag

    assert call_of(Kept(np.zeros(3))) == "Kept(values=<3>)"
    assert call_of(Kept(1, scale=2.0, flag=1)) == "Kept(values=1, scale=2.0, flag=1)"


def test_nothing_in_a_table_is_markup():
    """A name with a tag in it is text."""
    assert "<script>" not in table(["<script>"], [["<script>x</script>"]])
