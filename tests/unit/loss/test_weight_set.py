"""Weights at every door, and weight-set files that are damaged or made by somebody hostile."""

import contextlib
import json
import math
import os
import threading
from fractions import Fraction
from types import MappingProxyType

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import lossweights as lw
from lossweights.base.errors import InvalidName, SpaceError, WeightError, WeightSetError
from lossweights.base.strict_json import canonical_json
from lossweights.loss._weight_file import KEYS, MAX_BYTES
from lossweights.loss._weight_file import checksum as _checksum
from lossweights.loss.provenance import Provenance
from lossweights.loss.weight_set import WeightSet
from lossweights.loss.weights import check_weights
from lossweights.search.space import Space, Uniform

TOO_LARGE = 3.5e38  # finite, but infinite as float32
BAD_WEIGHTS = {
    "negative": -0.1,
    "tiny negative": -5e-324,
    "0 in float32": 1e-60,
    "below the normal float32": 1e-40,
    "NaN": math.nan,
    "infinity": math.inf,
    "minus infinity": -math.inf,
    "larger than float32": TOO_LARGE,
    "larger than any float": 10**400,
    "1e308": 1e308,
    "bool": True,
    "numpy bool": np.True_,
    "text": "1.0",
    "bytes": b"1",
    "none": None,
    "list": [1.0],
    "array": np.ones(3),
    "complex": 1j,
    "object": object(),
}


def read_as_file(weights, tmp_path):
    """Write a weight set with these weights as JSON, checksum and all, and read it."""
    body = {**json.loads(WeightSet({"mse": 1.0}).to_json()), "weights": weights}
    del body["sha256"]
    path = tmp_path / "weights.json"
    path.write_text(json.dumps({**body, "sha256": _checksum_of(body)}))
    return WeightSet.read(path)


def _checksum_of(body):
    try:
        return _checksum(body)
    except ValueError:  # NaN has no canonical spelling; the reader stops before the checksum
        return "0" * 64


DOORS = {
    "check_weights": (lambda w, _: check_weights(w, ["mse", "under"]), WeightError),
    "WeightSet": (lambda w, _: WeightSet(w), WeightError),
    "CombinedLoss": (
        lambda w, _: lw.CombinedLoss({"mse": "mse", "under": "mae"}, weights=w),
        WeightError,
    ),
    "set_weights": (
        lambda w, _: lw.CombinedLoss({"mse": "mse", "under": "mae"}).set_weights(w),
        WeightError,
    ),
    "Space": (lambda w, _: Space(["mse", "under"], {**w, "mse": Uniform(0, 1)}), SpaceError),
    "baseline": (
        lambda w, _: Space(["mse", "under"], {"mse": 1, "under": Uniform(0, 1)}).parameters_of(w),
        WeightError,
    ),
    "file": (read_as_file, WeightSetError),
}


# A file of an earlier version may hold a weight that float32 takes for 0, and stays readable.
TINY = ("0 in float32", "below the normal float32")
NOT_IN_JSON = ("numpy bool", "bytes", "array", "complex", "object")


@pytest.mark.parametrize(
    ("bad", "door"),
    [(b, d) for b in BAD_WEIGHTS for d in DOORS if d != "file" or b not in NOT_IN_JSON + TINY],
)
def test_bad_weight_is_refused_at_every_door(bad, door, tmp_path):
    """No number that would ruin a training gets in, wherever it knocks."""
    (enter, error), bad = DOORS[door], BAD_WEIGHTS[bad]
    with pytest.raises(error) as raised:
        enter({"mse": 1.0, "under": bad}, tmp_path)
    assert "xpected" in str(raised.value)
    assert "ound" in str(raised.value)


def test_an_old_file_with_a_weight_that_float32_takes_for_zero(tmp_path):
    """It is read, copied and shown as it is; a loss is not made of it, and the error says why."""
    path = WeightSet({"mse": 1.0, "under": 1e-60}, recorded=True).save(tmp_path / "old.json")
    old = WeightSet.read(path)
    assert old.weights == {"mse": 1.0, "under": 1e-60}
    assert WeightSet.parse(old.to_json().encode()) == old
    with pytest.raises(WeightError, match=r"'under'.*0 in float32"):
        old.loss(terms={"mse": "mse", "under": "mae"})


@pytest.mark.parametrize("door", [name for name in DOORS if name != "Space"])
@pytest.mark.parametrize("zero", [0, 0.0, -0.0])
def test_all_zero_is_refused_at_every_door(door, zero, tmp_path):
    """A loss that is zero everywhere trains nothing; a Space refuses to have nothing to search."""
    enter, error = DOORS[door]
    with pytest.raises(error):
        enter({"mse": zero, "under": zero}, tmp_path)


@pytest.mark.parametrize("door", [name for name in DOORS if name not in ("WeightSet", "file")])
@pytest.mark.parametrize(
    "weights",
    [{}, {"mse": 1.0}, {"mse": 1.0, "undr": 1.0}, {"mse": 1.0, "under": 1.0, "x": 1.0}],
    ids=["none", "one missing", "misspelt", "one too many"],
)
def test_weights_that_do_not_match_the_terms(door, weights, tmp_path):
    """Every term has one weight, and no weight is without a term."""
    enter, error = DOORS[door]
    if door == "Space" and set(weights) <= {"mse"}:
        weights = {"under": 1.0, "typo": 1.0}
    with pytest.raises(error, match=r"under|typo"):
        enter(weights, tmp_path)


@pytest.mark.parametrize("found", [None, 1.0, [1.0, 2.0], "mse"])
def test_what_is_no_mapping_is_no_weights(found):
    """A list of weights would depend on an order nobody wrote down."""
    with pytest.raises(WeightError, match="mapping"):
        check_weights(found)
    with pytest.raises(WeightError, match="mapping"):
        WeightSet(found)


@pytest.mark.parametrize(
    "number", [1, np.float32(1), np.int8(1), np.array(1.0), Fraction(1)], ids=repr
)
def test_every_kind_of_plain_number_is_a_weight(number):
    """Numbers of numpy and of the standard library count as the floats they are."""
    assert check_weights({"mse": number}) == {"mse": 1.0}
    assert type(check_weights({"mse": number})["mse"]) is float


def test_one_term_may_be_switched_off_and_minus_zero_is_zero():
    """A single zero is an ablation, not a mistake; it has no sign."""
    checked = check_weights({"mse": 1.0, "under": -0.0})
    assert math.copysign(1.0, checked["under"]) == 1.0


@pytest.mark.parametrize("name", ["", "a/b", "../x", "CON", "x" * 65, "a\0"])
def test_term_names_are_plain_names(name):
    """A weight set cannot smuggle a path in as a term's name."""
    with pytest.raises(InvalidName):
        WeightSet({name: 1.0})


@pytest.mark.parametrize(
    "scales",
    [{}, {"mse": 1.0}, {"mse": 1.0, "x": 1.0}, {"mse": 1.0, "under": 0.0},
     {"mse": 1.0, "under": -1.0}, {"mse": 1.0, "under": math.inf}, {"mse": 1.0, "under": None},
     {"mse": 1.0, "under": "big"}],
    ids=repr,
)  # fmt: skip
def test_scales_match_the_terms_and_are_above_zero(scales):
    """A scale is what a weight was divided by: there is one for each term, and none is 0."""
    with pytest.raises(WeightError, match="scale"):
        WeightSet({"mse": 1.0, "under": 1.0}, scales=scales)


@pytest.mark.parametrize("value", [math.nan, math.inf, None, "good"])
def test_metrics_are_finite_numbers(value):
    """A set that could not be saved is refused when it is made, not when it is saved."""
    with pytest.raises(WeightError, match="metric"):
        WeightSet({"mse": 1.0}, metrics={"rmse": value})


FULL = WeightSet(
    {"mse": 1.0, "under": 0.25},
    name="demand@knee",
    scales={"mse": 100.0, "under": 8.0},
    terms={"mse": {"class": "keras:MeanSquaredError"}, "under": None},
    metrics={"rmse": 1.5},
    origin={"sweep": "demand", "trial": 3, "pick": "knee", "seed": 0},
    chosen={"hyper/learning_rate": 0.003, "term/under/factor": 2.0},
    provenance=Provenance(
        measured={
            "val": {"rmse": {"mean": 1.5, "low": 1.25, "high": 1.75, "seeds": 5}},
            "test": {"rmse": {"mean": 1.75, "seeds": 1}},
        },
        confirmation={"look": 1, "seeds": [11, 12, 13], "promoted": "knee"},
        drove={"driver": None, "share": {"mse": 0.5}, "decrease": {"mse": 0.5}},
        seeds=[0, 1],
        recipe={"optimizer": {"class": "SGD", "learning_rate": 0.05}, "epochs": 2},
        data="abc",
        versions={"keras": "3.15.1"},
        promotions=[{"at": "2026-01-02", "pick": "knee", "why": "first"}],
        model={"file": "knee.keras", "sha256": "0" * 64},
    ),
)


def test_a_set_cannot_be_changed():
    """What was read cannot be altered by who uses it, nor by who made it."""
    given = {"mse": 1.0}
    made = WeightSet(given)
    given["mse"] = 2.0
    assert made.weights == {"mse": 1.0}
    with pytest.raises(TypeError):
        made.weights["mse"] = 2.0
    with pytest.raises(AttributeError):
        made.name = "other"


def test_provenance_cannot_be_changed_either():
    """However deep it lies, what was read stays as it was read."""
    with pytest.raises(TypeError):
        FULL.provenance.measured["val"]["rmse"]["mean"] = 0.0
    with pytest.raises(AttributeError):
        FULL.provenance.seeds.append(7)
    with pytest.raises(WeightError, match="'seeds' of where weights come from"):
        Provenance(seeds=["0"])


def test_relative_weights_are_weights_times_scales():
    """The dimensionless weights are those that the search sampled."""
    assert FULL.relative == {"mse": 100.0, "under": 2.0}
    assert WeightSet({"mse": 3.0}).relative == {"mse": 3.0}


def test_a_file_gives_back_the_set(tmp_path):
    """Every field survives the file, mapping order included."""
    path = FULL.save(tmp_path / "weights.json")
    again = WeightSet.read(path)
    assert again == FULL
    assert list(again.weights) == list(FULL.weights)
    assert isinstance(again.weights, MappingProxyType)


weight_sets = st.builds(
    WeightSet,
    st.dictionaries(
        st.from_regex(r"[a-z][a-z0-9_-]{0,8}", fullmatch=True).filter(
            lambda name: name not in ("con", "prn", "aux", "nul")
        ),
        st.floats(1e-30, 1e30),
        min_size=1,
        max_size=5,
    ),
    metrics=st.dictionaries(st.just("rmse"), st.floats(-1e300, 1e300)),
)


@given(weight_sets)
def test_every_float_survives_the_file(weights):
    """Weights come back to the last bit."""
    assert WeightSet.parse(weights.to_json().encode()) == weights


def test_loss_is_rebuilt_from_the_set():
    """A set with descriptions of its terms becomes a loss with its weights, scales included."""
    made = WeightSet(
        {"mse": 2.0, "under": 0.5},
        scales={"mse": 10.0, "under": 4.0},
        terms={"mse": {"class": "keras:MeanSquaredError"}, "under": {"class": "Underestimation"}},
    )
    loss = made.loss()
    assert loss.weights == {"mse": 2.0, "under": 0.5}
    assert float(loss(np.array([[3.0]]), np.array([[1.0]]))) == 2.0 * 4.0 + 0.5 * 4.0


def test_terms_of_code_must_be_given():
    """A lambda cannot be in a file: the set says which terms it needs, and takes them."""
    with pytest.raises(WeightSetError, match="under"):
        FULL.loss()
    loss = FULL.loss(terms={"under": "mae"})
    assert loss.weights == dict(FULL.weights)


def test_terms_that_the_set_does_not_know_are_refused():
    """A term that no weight belongs to is a mistake, not an extra."""
    with pytest.raises(WeightSetError, match="undr"):
        FULL.loss(terms={"undr": "mae"})


@pytest.mark.parametrize(
    "description",
    [{"class": "os.system"}, {"class": "keras:Nope"}, {"class": "Term"}, {"class": "__import__"},
     {"class": "Underestimation", "factor": "rm -rf /"}, {"class": "Underestimation", "x": 1}],
    ids=repr,
)  # fmt: skip
def test_a_description_is_looked_up_and_never_imported(description):
    """Classes come from a fixed table: a name from a file cannot reach anything else."""
    with pytest.raises(ValueError):
        WeightSet({"under": 1.0}, terms={"under": description}).loss()


# Files. GOOD is what they are made of.

GOOD = FULL.to_json().encode()


def signed(**changes):
    """A file with some fields changed and a checksum that fits: made by hand, not damaged."""
    body = {key: value for key, value in json.loads(GOOD).items() if key != "sha256"}
    body.update(changes)
    for key in [key for key, value in changes.items() if value is ...]:
        del body[key]
    return json.dumps({**body, "sha256": _checksum(body)}).encode()


def test_truncation_at_every_byte_is_noticed():
    """A file that lost its end is never read, wherever it was cut."""
    for length in range(len(GOOD) - 1):  # without the final newline it is still whole
        with pytest.raises(WeightSetError):
            WeightSet.parse(GOOD[:length])


def test_every_flipped_bit_is_noticed_or_harmless():
    """A flipped bit is an error, or was in white space and changed nothing."""
    for offset in range(len(GOOD)):
        for bit in range(8):
            data = bytearray(GOOD)
            data[offset] ^= 1 << bit
            try:
                read = WeightSet.parse(bytes(data))
            except WeightSetError:
                continue
            assert read == FULL
            assert GOOD[offset : offset + 1].isspace()


HOSTILE_FILES = {
    "empty": b"",
    "byte order mark": b"\xef\xbb\xbf" + GOOD,
    "latin-1": GOOD.replace(b"demand@knee", "dem\xe4nd".encode("latin-1")),
    "utf-16": GOOD.decode().encode("utf-16"),
    "no JSON": b"weights: {mse: 1.0}",
    "null": b"null",
    "list": b"[]",
    "text": b'"lossweights/weight-set"',
    "brackets": b"[" * 200_000,
    "too deep": signed(origin={"a": 1}, terms={"mse": {"class": "X", "a": [[[1]]]}}),
    "too large": GOOD + b" " * MAX_BYTES,
    "1e999": GOOD.replace(b'"mse": 1.0', b'"mse": 1e999'),
    "NaN": GOOD.replace(b'"mse": 1.0', b'"mse": NaN'),
    "digits": GOOD.replace(b'"mse": 1.0', b'"mse": ' + b"9" * 5000),
    "400 digits": signed(weights={"mse": 10**400}),
    "duplicate key": GOOD.replace(b'"mse": 1.0,', b'"mse": 1.0, "mse": 2.0,'),
    "duplicate section": GOOD.replace(b'"version": 2', b'"version": 2, "version": 2'),
    "surrogate": GOOD.replace(b"demand@knee", b"\\ud800"),
    "other format": signed(format="lossweights/sweep"),
    "no format": signed(format=...),
    "future version": signed(version=3),
    "past version": signed(version=0),
    "version of true": signed(version=True),
    "version as text": signed(version="1"),
    "no version": signed(version=...),
    "no checksum": b"{" + b",".join(GOOD.strip(b"{}\n").split(b",")[:-1]) + b"}",
    "checksum of another": GOOD.replace(b'"seed": 0', b'"seed": 1'),
    "unknown key": signed(code="import os"),
    "missing key": signed(metrics=...),
    "weights as list": signed(weights=[1.0]),
    "weights as null": signed(weights=None),
    "weights of text": signed(weights={"mse": "1"}),
    "weights of true": signed(weights={"mse": True}),
    "weights of null": signed(weights={"mse": None}),
    "no weights": signed(weights={}),
    "negative weight": signed(weights={"mse": -1.0}),
    "all zero": signed(weights={"mse": 0.0}),
    "too many terms": signed(weights={f"t{i}": 1.0 for i in range(257)}, scales=None),
    "path as a term": signed(weights={"../../etc": 1.0}, scales=None),
    "name of a number": signed(name=3),
    "name of an object": signed(name={"a": 1}),
    "scales of other terms": signed(scales={"mse": 1.0}),
    "scales of text": signed(scales={"mse": "1", "under": 1}),
    "scale of zero": signed(scales={"mse": 0, "under": 1}),
    "metrics as list": signed(metrics=[]),
    "metrics of true": signed(metrics={"rmse": True}),
    "origin as text": signed(origin="bike-demand"),
    "origin of objects": signed(origin={"sweep": {}}),
    "terms as list": signed(terms=[]),
    "term as text": signed(terms={"mse": "mse"}),
    "term without class": signed(terms={"mse": {}}),
    "class of a number": signed(terms={"mse": {"class": 3}}),
    "terms that have no weight": signed(terms={"other": None}),
    "chosen of objects": signed(chosen={"learning_rate": {}}),
    "provenance of another kind": signed(provenance=[]),
    "provenance with another key": signed(provenance={"code": "import os"}),
    "seeds of text": signed(provenance={"seeds": ["0"]}),
    "a mean of text": signed(provenance={"measured": {"val": {"rmse": {"mean": "1"}}}}),
    "a model without a hash": signed(provenance={"model": {"file": "knee.keras"}}),
    "relative that do not fit": signed(relative={"mse": 7.0, "under": 7.0}),
}


@pytest.mark.parametrize("data", HOSTILE_FILES.values(), ids=HOSTILE_FILES.keys())
def test_hostile_file_is_refused_by_name(data, tmp_path):
    """Every damaged or made-up file is a WeightSetError that names the file and stays short."""
    path = tmp_path / "weights.json"
    path.write_bytes(data)
    with pytest.raises(WeightSetError) as raised:
        WeightSet.read(path)
    assert str(path) in str(raised.value)
    assert len(str(raised.value)) < 1000 + len(str(path))


def test_the_changes_of_the_table_are_what_is_refused():
    """The helper of the table makes readable files when nothing bad is changed."""
    assert WeightSet.parse(signed()) == FULL
    assert WeightSet.parse(signed(name=None)).name is None


def test_later_version_says_to_update():
    """A file of a later version tells what to do about it."""
    with pytest.raises(WeightSetError, match=r"version up to 2, found 3; update lossweights"):
        WeightSet.parse(signed(version=3))


@given(st.binary(max_size=300))
def test_random_bytes_are_never_a_weight_set(data):
    """No bytes raise anything but WeightSetError."""
    with pytest.raises(WeightSetError):
        WeightSet.parse(data)


@given(
    st.dictionaries(
        st.sampled_from([*KEYS[2]]),
        st.recursive(
            st.none() | st.booleans() | st.floats(allow_nan=False) | st.text(max_size=3),
            lambda inner: st.dictionaries(st.text(max_size=3), inner) | st.lists(inner),
            max_leaves=5,
        ).filter(lambda value: "Infinity" not in json.dumps(value)),
        min_size=1,
    )
)
def test_made_up_content_is_read_or_refused(changes):
    """A file with a right checksum and wrong content raises nothing but WeightSetError."""
    with contextlib.suppress(WeightSetError):
        WeightSet.parse(signed(**changes))


def test_huge_sparse_file_is_refused_unread(tmp_path):
    """Two gigabytes that take no space on disk take none in memory either."""
    path = tmp_path / "sparse.json"
    with path.open("wb") as stream:
        stream.truncate(2 << 30)
    with pytest.raises(WeightSetError, match="at most"):
        WeightSet.read(path)


def test_fifo_does_not_hang(tmp_path):
    """A named pipe is refused at once: opening it would wait for a writer for ever."""
    path = tmp_path / "fifo.json"
    os.mkfifo(path)
    raised = []

    def read():
        try:
            WeightSet.read(path)
        except WeightSetError as error:
            raised.append(error)

    reader = threading.Thread(target=read, daemon=True)
    reader.start()
    reader.join(60)
    assert not reader.is_alive()
    assert "regular file" in str(raised[0])


@pytest.mark.parametrize("device", ["/dev/zero", "/dev/null", "/dev/stdin"])
def test_link_to_a_device_is_refused(tmp_path, device):
    """A link is judged by what it leads to."""
    path = tmp_path / "link.json"
    path.symlink_to(device)
    with pytest.raises(WeightSetError):
        WeightSet.read(path)


@pytest.mark.parametrize("path", ["missing.json", ".", "a\0b.json", "x" * 5000, "no/such/x.json"])
def test_path_that_cannot_be_read(tmp_path, path):
    """A path that is no readable file is a WeightSetError like all other reasons."""
    with pytest.raises(WeightSetError):
        WeightSet.read(f"{tmp_path}/{path}")


def test_a_loop_of_links_is_refused(tmp_path):
    """A link to itself cannot be followed, and says so."""
    path = tmp_path / "loop.json"
    path.symlink_to(path)
    with pytest.raises(WeightSetError):
        WeightSet.read(path)


def test_checksum_is_of_the_content_not_of_its_spelling():
    """A file may be reformatted by an editor: its meaning is what is signed."""
    compact = canonical_json(json.loads(GOOD))
    assert WeightSet.parse(compact) == FULL
