"""The fingerprint of code: what can change a number changes it, and nothing else does."""

import functools
import importlib.util
import math
import sys

import pytest

from lossweights.base.code_hash import code_hash

BASE = '''
import math
WIDTH = 3
SIZES = [8, {"last": 1}]

def helper(x):
    return x * WIDTH

class Layer:
    size = 4

    def call(self, x):
        return helper(x) + self.size

class Deep(Layer):
    @staticmethod
    def twice(x):
        return 2 * x

def build(depth=2, *, wide=False):
    """A docstring."""
    def inner():
        return SIZES
    return Layer().call(math.pi), Deep, inner
'''

CHANGES = {
    "a constant": ("WIDTH = 3", "WIDTH = 4"),
    "a list of constants": ("[8, ", "[9, "),
    "a helper": ("x * WIDTH", "x + WIDTH"),
    "a method": ("helper(x) + self", "helper(x) - self"),
    "an attribute": ("size = 4", "size = 5"),
    "a child class": ("2 * x", "3 * x"),
    "a default": ("depth=2", "depth=3"),
    "a keyword default": ("wide=False", "wide=True"),
    "an inner function": ("return SIZES", "return [SIZES]"),
}
SAME = {
    "a comment": ("def helper", "# helps\ndef helper"),
    "layout": ("x * WIDTH", "x   *   WIDTH"),
    "another function": ("class Layer", "def unused():\n    return 1\n\n\nclass Layer"),
}


@pytest.fixture
def module(tmp_path):
    """Makes modules of a source."""
    count = iter(range(100))

    def make(source):
        path = tmp_path / f"module{next(count)}.py"
        path.write_text(source)
        spec = importlib.util.spec_from_file_location(path.stem, path)
        made = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(made)
        return made

    return make


@pytest.mark.parametrize("what", CHANGES)
def test_what_can_change_a_number_changes_the_hash(module, what):
    """The function itself, and what it names beside it, however deep."""
    old, new = CHANGES[what]
    assert old in BASE
    assert code_hash(module(BASE).build) != code_hash(module(BASE.replace(old, new, 1)).build)


@pytest.mark.parametrize("what", SAME)
def test_what_cannot_change_a_number_does_not(module, what):
    """Nor does the name of the file, or whether it was imported or run as a script."""
    old, new = SAME[what]
    assert code_hash(module(BASE).build) == code_hash(module(BASE.replace(old, new, 1)).build)


def test_closures_and_partials_count_with_what_they_hold():
    """Two functions of one source differ by what they closed over."""

    def make(factor):
        return lambda x: x * factor

    assert code_hash(make(2)) != code_hash(make(3))
    assert code_hash(make(2)) == code_hash(make(2))
    assert code_hash(functools.partial(pow, 2)) != code_hash(functools.partial(pow, 3))
    assert code_hash(functools.partial(make(2), x=1)) != code_hash(functools.partial(make(3), x=1))


@pytest.mark.parametrize("value", [math.sin, len, print, int, object(), functools.partial(len)])
def test_anything_callable_or_not_has_a_hash(value):
    """Builtins count by their name, objects by their class."""
    assert code_hash(value) == code_hash(value)


def test_what_is_installed_below_a_script_is_not_the_users(tmp_path, monkeypatch):
    """A project may have its environment in its own folder; elsewhere that is another one."""

    def build_in(folder, library, returned):
        place = folder / library
        place.mkdir(parents=True)
        (place / "layers.py").write_text(f"def dense():\n    return {returned}\n")
        (folder / "script.py").write_text("from layers import dense\ndef build():\n    dense()\n")
        monkeypatch.syspath_prepend(place)
        monkeypatch.delitem(sys.modules, "layers", raising=False)
        spec = importlib.util.spec_from_file_location("script", folder / "script.py")
        made = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(made)
        return made.build

    within = ".venv/lib/python3.11/site-packages"
    one, other = (code_hash(build_in(tmp_path / str(n), within, n)) for n in (1, 2))
    assert one == other
    own, others = (code_hash(build_in(tmp_path / str(n), "own", n)) for n in (3, 4))
    assert own != others
    monkeypatch.setattr(sys, "prefix", str(tmp_path / "5" / "env"))
    in_prefix = code_hash(build_in(tmp_path / "5", "env/src/layers", 5))
    assert in_prefix == one


def test_a_path_beside_the_code_counts_from_there(tmp_path):
    """A folder that was copied is the same; another file in it is not."""
    source = (
        "import os\nHERE = os.path.dirname(os.path.abspath(__file__))\n"
        "FILES = {{'words': [os.path.join(HERE, '{}')], 'all': HERE}}\n"
        "def build():\n    return FILES, __file__, __name__\n"
    )

    def build_in(folder, name):
        (tmp_path / folder).mkdir()
        path = tmp_path / folder / f"script_{folder}.py"
        path.write_text(source.format(name))
        spec = importlib.util.spec_from_file_location(path.stem, path)
        made = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(made)
        return made.build

    one, moved, other = build_in("a", "words"), build_in("b", "words"), build_in("c", "others")
    assert code_hash(one) == code_hash(moved) != code_hash(other)


def test_an_attribute_that_is_called_as_a_global_is_none(module):
    """Who gets the function alone does not get what it never looks up."""
    source = "size = {}\ndef build(layer):\n    return layer.size\n"
    assert code_hash(module(source.format(1)).build) == code_hash(module(source.format(2)).build)
    local = "size = {}\ndef build():\n    class Layer:\n        width = size\n"
    assert code_hash(module(local.format(1)).build) != code_hash(module(local.format(2)).build)


def test_functions_that_name_each_other_come_to_an_end(module):
    """Recursion in the code is none in the hash."""
    made = module(
        "def even(n):\n    return n == 0 or odd(n - 1)\ndef odd(n):\n    return even(n)\n"
    )
    assert code_hash(made.even) == code_hash(made.even)
    assert code_hash(made.even) != code_hash(made.odd)
