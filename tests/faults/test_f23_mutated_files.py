"""F23 and F24: weight-set files that were mutated at random, and files of earlier formats."""

import copy
import json
import random
import tracemalloc
from pathlib import Path

import pytest

import lossweights as lw
from lossweights.base.errors import WeightSetError
from lossweights.loss._weight_file import checksum
from lossweights.loss.weight_set import WeightSet

pytestmark = pytest.mark.faults

DATA = Path(__file__).parents[1] / "data"
FILES = sorted(DATA.glob("weight_set_*.json"))
MOST_BYTES = 16 << 20  # that reading any file of this size may hold at once
LEAVES = (
    *(None, True, False, 0, -1, 1.5, 1e308, -0.0, 10**400, 1 << 63, "", "nan", "../x", "\ud800"),
    *([], {}, [[]], {"a": {}}, {"class": "MeanSquaredError"}, [1, "2", None], "x" * 5000),
)


def places(value, at=()):
    """Where everything in a JSON value lies."""
    yield at
    if isinstance(value, dict | list):
        for key, item in value.items() if isinstance(value, dict) else enumerate(value):
            yield from places(item, (*at, key))


def mutated(content, generator):
    """A copy of a parsed file with a place or two replaced, removed, renamed or swapped."""
    made = copy.deepcopy(content)
    for _ in range(generator.randint(1, 2)):
        place = generator.choice([at for at in places(made) if at])
        owner = made
        for key in place[:-1]:
            owner = owner[key]
        kind, key = generator.randrange(4), place[-1]
        if kind == 0 or isinstance(owner, list):
            owner[key] = copy.deepcopy(generator.choice(LEAVES))
        elif kind == 1:
            del owner[key]
        elif kind == 2:
            owner[generator.choice(["", "x", "mse", "a/b", "class", "CON"])] = owner.pop(key)
        else:
            owner[key] = copy.deepcopy(generator.choice(list(made.values()) or [None]))
    return made


def signed(content):
    """A file with a checksum that fits, so that not the checksum is what finds the change."""
    body = {key: value for key, value in content.items() if key != "sha256"}
    return json.dumps({**body, "sha256": checksum(body)}).encode()


def scrambled(data, generator):
    """Bytes with some replaced, cut out or doubled."""
    made = bytearray(data)
    for _ in range(generator.randint(1, 4)):
        at, kind = generator.randrange(len(made) or 1), generator.randrange(3)
        if kind == 0 and made:
            made[at] = generator.randrange(256)
        elif kind == 1:
            del made[at : at + generator.randrange(40)]
        else:
            made[at:at] = made[at : at + generator.randrange(40)]
    return bytes(made)


def mutants(count, seed=0):
    """So many mutated files, half of them by what they say and half by their bytes."""
    generator = random.Random(seed)
    originals = [path.read_bytes() for path in FILES]
    contents = [json.loads(data) for data in originals]
    for number in range(count):
        which = number % len(FILES)
        if number // len(FILES) % 2:
            yield scrambled(originals[which], generator)
        else:
            yield signed(mutated(contents[which], generator))


def read_all(count, seed=0):
    """How many of so many mutants are read; each other one is a `WeightSetError`, and a short one.

    What is read can be written, and read again.
    """
    read, longest = 0, 0
    for data in mutants(count, seed):
        try:
            found = WeightSet.parse(data)
        except WeightSetError as error:
            longest = max(longest, len(str(error)))
            continue
        assert WeightSet.parse(found.to_json().encode()) == found
        read += 1
    assert longest < 2000
    return read


def test_f23_ten_thousand_mutants_are_sets_or_the_named_error():
    """Also with a right checksum: what is read is a valid set, which can be written again."""
    assert 500 < read_all(10_000) < 9_500


@pytest.mark.slow
@pytest.mark.timeout(1500)  # four minutes of a core
def test_f23_a_million_mutants_are_sets_or_the_named_error():
    """The same with other mutations."""
    assert read_all(1_000_000, seed=1) > 50_000


def test_f23_mutants_are_read_in_bounded_memory():
    """No file makes a reader hold much more than the file."""
    tracemalloc.start()
    try:
        read_all(300, seed=2)
        assert tracemalloc.get_traced_memory()[1] < MOST_BYTES
    finally:
        tracemalloc.stop()


OLD = {
    "weight_set_1": {"mse": 5.51483605844268e-05, "under": 0.02731897613768782,
                     "boundary": 0.0002795378996151088},
    "weight_set_1_outputs": {"mse": 1.0, "own": 0.25, "depth": 2.0},
    "weight_set_1_tiny": {"mse": 1.0, "under": 1e-60},
}  # fmt: skip


@pytest.mark.parametrize("name", OLD)
def test_files_of_format_1_are_read_for_ever(name):
    """As they were written then, bit for bit; written anew they are of today's format."""
    path = DATA / f"{name}.json"
    assert json.loads(path.read_text())["version"] == 1
    old = WeightSet.read(path)
    assert dict(old.weights) == OLD[name]
    assert dict(old.chosen) == {}
    assert old.provenance.to_json() == {}
    again = json.loads(old.to_json())
    assert again["version"] == 2
    assert WeightSet.parse(old.to_json().encode()) == old


def test_a_file_of_format_2_is_read_for_ever():
    """With all that this format added."""
    found = lw.load(DATA / "weight_set_2.json")
    assert dict(found.metrics) == {"rmse": 1.5}
    assert found.provenance.measured["test"]["rmse"]["mean"] == 1.75
    assert found.chosen["hyper/learning_rate"] == 0.003
    assert found.to_json() == (DATA / "weight_set_2.json").read_text()
