"""The page on terms says what the code says, and its examples run."""

import doctest
import importlib.util
from pathlib import Path

import lossweights

DOCS = Path(lossweights.__file__).parent.parent / "docs"


def test_the_page_is_made_from_the_code():
    """Whoever changes a docstring makes the page anew."""
    spec = importlib.util.spec_from_file_location("make_terms", DOCS / "make_terms.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert module.render() == (DOCS / "terms.md").read_text(encoding="utf-8")


def test_its_examples_run():
    """What a reader copies gives what the page says."""
    import keras  # noqa: F401  # not above: the other test needs none

    outcome = doctest.testfile(str(DOCS / "terms.md"), module_relative=False)
    assert outcome.attempted > 10
    assert outcome.failed == 0
