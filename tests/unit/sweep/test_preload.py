"""What the end of a sweep needs is imported while trials train, and only once."""

import sys
import threading

from lossweights.sweep._preload import Preload


def threads():
    """Those that import."""
    return [each for each in threading.enumerate() if each.name == "lossweights-preload"]


def test_modules_are_imported_aside(tmp_path, monkeypatch):
    """What cannot be imported is left to whoever needs it, who says so."""
    (tmp_path / "preloaded.py").write_text(
        "import threading\nname = threading.current_thread().name\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    preload = Preload(["there_is_no_such_module", "preloaded"])
    assert "preloaded" not in sys.modules
    preload.begin()
    for thread in threads():
        thread.join(10)
    assert sys.modules.pop("preloaded").name == "lossweights-preload"
    preload.begin()
    assert not threads()


def test_nothing_to_import_takes_no_thread():
    """As in a sweep of fakes."""
    Preload(()).begin()
    assert not threads()
