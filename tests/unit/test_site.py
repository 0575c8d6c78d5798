"""The pages of docs/ as a site: nothing public is missing, and what they show is so."""

import ast
import doctest
import importlib.util
import inspect
import re
import subprocess
import sys
from pathlib import Path

import pytest

import lossweights
from lossweights.base import errors

from ..browser.made import made_up

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = [ROOT / "README.md", *sorted(DOCS.rglob("*.md"))]
MODULES = ("adaptive", "errors", "metrics", "terms")  # whose own names are all shown
MOST = 400_000  # bytes of all pictures together

pytestmark = pytest.mark.skipif(not DOCS.exists(), reason="the pages are not here")


def shown():
    """The names that the pages of the reference ask for, each the whole of a directive."""
    text = "\n".join(page.read_text("utf-8") for page in sorted((DOCS / "reference").glob("*.md")))
    return re.findall(r"^::: (\S+)$", text, re.MULTILINE)


@pytest.mark.parametrize("name", lossweights.__all__)
def test_every_public_name_stands_in_the_reference(name):
    """Once: with a line ``::: lossweights.NAME`` in a page of docs/reference/."""
    assert shown().count(f"lossweights.{name}") == 1


def blocks(page):
    """The Python of a page, each block with the line it starts at."""
    text = page.read_text("utf-8")
    for match in re.finditer(r"^```python\n(.*?)^```$", text, re.MULTILINE | re.DOTALL):
        if ">>>" not in match[1]:
            yield text[: match.start()].count("\n") + 1, match[1]


def ours(tree):
    """What code reads of the package, as chains of names: ``lw.terms.Dice`` is terms, Dice."""
    for node in ast.walk(tree):
        names = []
        while isinstance(node, ast.Attribute):
            names.append(node.attr)
            node = node.value
        if names and isinstance(node, ast.Name) and node.id == "lw":
            yield names[::-1]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_python_of_pages_is_python_and_uses_names_that_exist(page):
    """A name that was changed or mistyped in a page is found; arguments too."""
    for line, code in blocks(page):
        tree = ast.parse(re.sub(r"(?<!\[)\.\.\.,", "**{},", code), f"{page.name}:{line}")
        for names in ours(tree):
            found = lossweights
            for name in names:
                assert hasattr(found, name), f"{page.name}:{line}: lw.{'.'.join(names)}"
                found = getattr(found, name)
        for call in ast.walk(tree):
            if isinstance(call, ast.Call) and list(ours(call.func)):
                check_arguments(call, f"{page.name}:{line}")


def check_arguments(call, where):
    """Keywords of a call of ours are among those that it takes."""
    found = lossweights
    for name in next(ours(call.func)):
        found = getattr(found, name)
    takes = inspect.signature(found).parameters
    if any(each.kind is each.VAR_KEYWORD for each in takes.values()):
        return
    for keyword in call.keywords:
        assert keyword.arg is None or keyword.arg in takes, f"{where}: {keyword.arg}"


def test_tutorial_and_recipes_run_in_one_program(tmp_path, monkeypatch):
    """As somebody types them, one after the other, where a sweep of that name has run.

    The recipes above those are run by tests/sweeps/test_recipes.py, each by itself.
    """
    monkeypatch.chdir(tmp_path)
    made_up(Path("mlruns"), 12, epochs=4, name="bike-demand")
    names = {"__name__": "tutorial"}
    text = (DOCS / "recipes.md").read_text("utf-8")
    around = text[: text.index("\n## Around a sweep\n")].count("\n")
    for page, begin in ((DOCS / "tutorial.md", 0), (DOCS / "recipes.md", around)):
        for line, code in blocks(page):
            if line > begin:
                exec(compile("\n" * line + code, str(page), "exec"), names)
    assert names["monitor"].verdict.sentence
    assert Path("trials.csv").exists()


def test_pictures_are_small_and_every_one_is_shown():
    """All of them together, and none that no page shows."""
    pictures = [path for path in (DOCS / "images").iterdir() if path.is_file()]
    assert sum(path.stat().st_size for path in pictures) < MOST
    text = "\n".join(page.read_text("utf-8") for page in PAGES)
    assert [path.name for path in pictures if f"images/{path.name}" not in text] == []


def build(source, to):
    """Build the site, as `make docs` does."""
    command = [sys.executable, "-m", "mkdocs", "build", "--config-file", str(source), "-d", str(to)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True)


@pytest.mark.slow
def test_the_site_has_every_public_name_and_loads_nothing(tmp_path):
    """Every name of the package and of its public modules is an anchor; no page needs a network."""
    pytest.importorskip("mkdocs")
    done = build(ROOT / "mkdocs.yml", tmp_path)
    assert done.returncode == 0, done.stderr
    pages = {page: page.read_text("utf-8") for page in tmp_path.rglob("*.html")}
    anchors = {name for text in pages.values() for name in re.findall(r'id="([\w.]+)"', text)}
    names = [name for name in lossweights.__all__ if name not in MODULES]
    for module in MODULES:
        public = getattr(lossweights, module)
        own = errors_of(public) if public is errors else public.__all__
        names += [f"{module}.{name}" for name in own]
    assert [name for name in names if f"lossweights.{name}" not in anchors] == []
    loads = r"""<(?:script|img|iframe)[^>]* src="?https?:|<link[^>]*stylesheet[^>]*https?:"""
    assert [page.name for page, text in pages.items() if re.search(loads, text)] == []


def errors_of(module):
    """The names of all errors of a module."""
    return [name for name, value in vars(module).items() if inspect.isclass(value)]


@pytest.mark.slow
def test_a_broken_link_fails_the_build(tmp_path):
    """To a page, or to a heading, that is not there."""
    pytest.importorskip("mkdocs")
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "index.md").write_text("# Home\n\n[no](no.md), [no](#no)\n")
    settings = (ROOT / "mkdocs.yml").read_text("utf-8")
    own = settings[: settings.index("hooks:")] + "nav: [index.md]\n"
    (tmp_path / "mkdocs.yml").write_text(own)
    done = build(tmp_path / "mkdocs.yml", tmp_path / "site")
    assert done.returncode != 0
    assert "no.md" in done.stderr
    assert "#no" in done.stderr


@pytest.mark.parametrize("name", ["_docstrings", "_formulas", "_pictures"])
def test_examples_of_what_the_site_is_built_with(name):
    """They show what happens."""
    needed = {"_docstrings": "griffe", "_formulas": "latex2mathml"}
    if name in needed:
        pytest.importorskip(needed[name])
    spec = importlib.util.spec_from_file_location(name, DOCS / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    outcome = doctest.testmod(module)
    assert outcome.attempted
    assert not outcome.failed
