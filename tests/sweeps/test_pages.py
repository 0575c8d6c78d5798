"""Pages of the documentation whose Python runs as it stands, one block after another."""

import re
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[2] / "docs"


@pytest.mark.parametrize("page", ["metrics", "coming_from"])
def test_the_python_of_a_page_runs(page, tmp_path, monkeypatch):
    """In one program, in a folder of its own; links lead to pages that there are."""
    monkeypatch.chdir(tmp_path)
    path = DOCS / f"{page}.md"
    text = path.read_text("utf-8")
    blocks = list(re.finditer(r"^```python\n(.*?)^```$", text, re.MULTILINE | re.DOTALL))
    assert len(blocks) >= 3
    names = {"__name__": page}
    for block in blocks:
        padded = "\n" * (text[: block.start()].count("\n") + 1) + block[1]
        exec(compile(padded, str(path), "exec"), names)
    for target in re.findall(r"\]\((?!https?:|#)([^)#\s]+)", text):
        assert (DOCS / target).exists(), target
