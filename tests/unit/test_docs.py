"""Every documented example runs: docstrings, and the README where there is one."""

import doctest
import importlib
import inspect
import pkgutil
import re
from pathlib import Path

import pytest

import lossweights

MODULES = ["lossweights"] + [
    module.name
    for module in pkgutil.walk_packages(lossweights.__path__, "lossweights.")
    if not module.name.endswith("__main__")
]
ROOT = Path(lossweights.__file__).parent.parent
README = ROOT / "README.md"
# Names made of other names: their documentation is that of what they are made of.
MADE = (str, int, float, tuple, frozenset, dict)


@pytest.mark.parametrize("name", MODULES)
def test_examples_in_docstrings(name):
    """What a docstring shows is what happens."""
    module = importlib.import_module(name)
    outcome = doctest.testmod(module, optionflags=doctest.ELLIPSIS)
    assert outcome.failed == 0


@pytest.mark.parametrize("name", MODULES)
def test_every_module_says_what_it_is(name):
    """A module opens with a sentence."""
    assert importlib.import_module(name).__doc__


@pytest.mark.parametrize("name", sorted(set(lossweights.__all__)))
def test_every_public_name_is_documented(name):
    """Public classes, functions and all they offer have a docstring."""
    value = getattr(lossweights, name)
    assert inspect.getdoc(value)
    if inspect.isclass(value):
        for attribute, member in vars(value).items():
            documented = inspect.isfunction(member) or isinstance(member, property | classmethod)
            if documented and not attribute.startswith("_"):
                assert inspect.getdoc(getattr(value, attribute)), f"{name}.{attribute}"


def readme_blocks():
    """The Python blocks of the README, each with the line it starts at."""
    if not README.exists():
        return []
    text = README.read_text(encoding="utf-8")
    return [
        (text[: match.start()].count("\n") + 1, match[1])
        for match in re.finditer(r"^```python\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    ]


@pytest.fixture
def after_make_sweep(tmp_path, monkeypatch):
    """A working folder in which a sweep named bike-demand has promoted its weights."""
    monkeypatch.chdir(tmp_path)
    terms = {
        "mse": {"class": "keras:MeanSquaredError"},
        "under": {"class": "Underestimation"},
        "boundary": {"class": "Boundary", "axes": [1]},
    }
    weights = lossweights.WeightSet({"mse": 1.0, "under": 0.5, "boundary": 0.2}, terms=terms)
    weights.save(Path("mlruns/weights/bike-demand.json"))
    weights.save(Path("weights.json"))


@pytest.mark.usefixtures("after_make_sweep")
def test_readme_examples_run_top_to_bottom():
    """The README's Python runs as it stands, one block after another in one program."""
    names = {"__name__": "readme"}
    for line, code in readme_blocks():
        if ">>>" in code:
            test = doctest.DocTestParser().get_doctest(code, names, "README", "README.md", line)
            outcome = doctest.DocTestRunner().run(test, clear_globs=False)
            names.update(test.globs)
            assert outcome.failed == 0
        else:
            padded = "\n" * line + code  # so that a traceback has the README's lines
            exec(compile(padded, str(README), "exec"), names)


@pytest.mark.parametrize("name", ["README.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md"])
def test_pages_link_to_files_that_exist(name):
    """No page sends a reader to a file that is not there."""
    page = ROOT / name
    if not page.exists():
        pytest.skip(f"{name} is not written")
    for target in re.findall(r"\]\((?!https?:|#|mailto:)([^)#\s]+)", page.read_text("utf-8")):
        assert (ROOT / target).exists(), target
