"""What was measured is kept in the user's cache folder, and nothing depends on that."""

import logging

import pytest

from lossweights.training import _kept_rates as measured
from lossweights.training._kept_rates import KeptRates
from lossweights.training._rates import Rates

RATES = Rates({16: 5.2e-5, 32: 4.4e-5}, serial=3e-4)


@pytest.fixture
def folder(monkeypatch, tmp_path):
    """The cache folder, which is not there yet."""
    folder = tmp_path / "cache"
    monkeypatch.setattr(measured.platformdirs, "user_cache_path", lambda *_, **__: folder)
    return folder


def test_rates_are_read_as_they_were_kept(folder):
    """To the last bit."""
    kept = KeptRates({"a": 1})
    assert kept.load() is None
    assert kept.keep(RATES) == RATES
    assert KeptRates({"a": 1}).load() == RATES
    assert KeptRates({"a": 2}).load() is None
    assert list((folder / "rates").iterdir()) == [kept.path]


def test_the_first_to_measure_counts_for_all(folder):
    """Two sweeps that begin together choose alike, and so do their reruns."""
    KeptRates({"a": 1}).keep(RATES)
    assert KeptRates({"a": 1}).keep(Rates(fit=1.0)) == RATES
    assert KeptRates({"a": 1}).load() == RATES


HUGE = '{"stacked": {}, "fit": null, "serial": 1' + 400 * "0" + "}"


@pytest.mark.parametrize(
    "text", ["", "{", "[]", '{"stacked": {"8": NaN}}', " " * (1 << 17), "\udcff", HUGE]
)
def test_a_damaged_file_is_measured_anew(folder, caplog, text):
    """It is cache: it may be lost."""
    kept = KeptRates({"a": 1})
    kept.path.parent.mkdir(parents=True)
    kept.path.write_bytes(text.encode("utf-8", "surrogateescape"))
    with caplog.at_level(logging.WARNING, "lossweights"):
        assert kept.load() is None
    assert "measured again" in caplog.text
    assert kept.keep(RATES) == RATES
    assert kept.load() == RATES


def test_a_folder_that_cannot_be_written_keeps_nothing(folder, caplog):
    """As a home folder in a container may be."""
    folder.write_text("no folder")
    with caplog.at_level(logging.INFO, "lossweights"):
        assert KeptRates({"a": 1}).keep(RATES) == RATES
    assert "not kept" in caplog.text
    assert KeptRates({"a": 1}).load() is None


def test_the_file_is_that_of_subject_and_machine(folder, monkeypatch):
    """Another model, another number of cores or threads: other rates."""
    paths = {KeptRates({"a": 1}).path, KeptRates({"a": 2}).path}
    assert KeptRates({"a": 1}).path in paths
    monkeypatch.setattr(measured, "available_cores", lambda: 999)
    paths.add(KeptRates({"a": 1}).path)
    monkeypatch.setenv(measured.THREADS, "7")
    paths.add(KeptRates({"a": 1}).path)
    monkeypatch.setattr(measured, "processor", lambda: "another")
    paths.add(KeptRates({"a": 1}).path)
    assert len(paths) == 5
