"""What was measured is kept in the user's cache folder, and nothing depends on that."""

import logging

import pytest

from lossweights import measured
from lossweights.rates import Rates

RATES = Rates({16: 5.2e-5, 32: 4.4e-5}, serial=3e-4)


@pytest.fixture
def folder(monkeypatch, tmp_path):
    """The cache folder, which is not there yet."""
    folder = tmp_path / "cache"
    monkeypatch.setattr(measured.platformdirs, "user_cache_path", lambda *_, **__: folder)
    return folder


def test_rates_are_read_as_they_were_kept(folder):
    """To the last bit."""
    assert measured.load_rates("key") is None
    measured.save_rates("key", RATES)
    assert measured.load_rates("key") == RATES
    assert measured.load_rates("other") is None
    assert [path.name for path in (folder / "rates").iterdir()] == ["key.json"]


@pytest.mark.parametrize(
    "text", ["", "{", "[]", '{"stacked": {"8": NaN}}', " " * (1 << 17), "\udcff"]
)
def test_a_damaged_file_is_measured_anew(folder, caplog, text):
    """It is cache: it may be lost."""
    (folder / "rates").mkdir(parents=True)
    (folder / "rates" / "key.json").write_bytes(text.encode("utf-8", "surrogateescape"))
    with caplog.at_level(logging.WARNING, "lossweights"):
        assert measured.load_rates("key") is None
    assert "measured again" in caplog.text
    measured.save_rates("key", RATES)
    assert measured.load_rates("key") == RATES


def test_a_folder_that_cannot_be_written_keeps_nothing(folder, caplog):
    """As a home folder in a container may be."""
    folder.write_text("no folder")
    with caplog.at_level(logging.INFO, "lossweights"):
        measured.save_rates("key", RATES)
    assert "not kept" in caplog.text
    assert measured.load_rates("key") is None


def test_the_key_names_problem_and_machine(monkeypatch):
    """Another model, another number of cores or threads: other rates."""
    keys = {measured.rates_key({"a": 1}), measured.rates_key({"a": 2})}
    assert measured.rates_key({"a": 1}) in keys
    monkeypatch.setattr(measured, "available_cores", lambda: 999)
    keys.add(measured.rates_key({"a": 1}))
    monkeypatch.setenv(measured.THREADS, "7")
    keys.add(measured.rates_key({"a": 1}))
    monkeypatch.setattr(measured, "_processor", lambda: "another")
    keys.add(measured.rates_key({"a": 1}))
    assert len(keys) == 5
    assert all(key.isalnum() for key in keys)
