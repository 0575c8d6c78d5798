"""The report of a sweep: one HTML file that one can explore, and that needs no network."""

from __future__ import annotations

import base64
import hashlib
from datetime import UTC, datetime
from functools import cache
from importlib.resources import files
from pathlib import Path

import jinja2
from plotly.offline import get_plotlyjs

from lossweights.base.commands import DEFAULT_ROOT, command
from lossweights.base.files import write_atomic
from lossweights.report._cards import cards
from lossweights.report._data import as_script, page_data
from lossweights.report._front import front_note
from lossweights.report._made import how_made, ramps
from lossweights.report._tables import tables
from lossweights.results.result import SweepResult

# In the order in which they run: each uses what stands before it.
_SCRIPTS = ("state", "charts", "trial", "table", "predict", "whatif", "start")


def write_report(
    result: SweepResult, path: Path, *, root: Path | None = None, every: float | None = None
) -> Path:
    """Write the report of a sweep to a file.

    Args:
        result: The sweep's result.
        path: The HTML file.
        root: Folder of the sweeps, for how it was made and for the lines to paste.
        every: Seconds after which the page is written anew while the sweep runs, if it is.

    Raises:
        StoreError: The file cannot be written.
    """
    write_atomic(path, render(result, root=root, every=every))
    return path


def render(result: SweepResult, *, root: Path | None = None, every: float | None = None) -> str:
    """The report as one HTML document, with the plotting library inside it."""
    scripts = [get_plotlyjs(), *(_asset(f"{name}.js") for name in _SCRIPTS)]
    return _template().render(
        result=result,
        better=result.sentence if result.proof.look else "",
        needs=result.proof.needs,
        more_seeds=_more_seeds(result, root),
        details=result.sweep_verdict.details if result.sweep_verdict.judged else [],
        cards=cards(result, root),
        tables=tables(result),
        notes=[
            note
            for note in [*_unconfirmed(result), *result.notes, front_note(result), result.remark]
            if note
        ],
        made=how_made(result, root),
        ramps=ramps(result, root),
        first=next(iter(result.objectives)),
        now=datetime.now(UTC).isoformat(timespec="seconds"),
        every=every,
        counts=_counts(result),
        style=_asset("page.css"),
        scripts=scripts,
        policy=_policy(scripts),
        data=as_script(page_data(result)),
    )


def _more_seeds(result: SweepResult, root: Path | None) -> str:
    """What to do where nobody can say whether a term is needed."""
    look = result.proof.look
    if look is None or not any(need.startswith("Nobody can say") for need in result.proof.needs):
        return ""
    return command("confirm", result.name, root or DEFAULT_ROOT, seeds=2 * len(look.seeds))


def _unconfirmed(result: SweepResult) -> list[str]:
    """What to say where nothing was confirmed: that, and how to; or what a confirmation lacks."""
    if result.proof.look is not None:
        needs = result.proof.needs  # which stand at the top
        return [note for note in result.proof.notes if note not in needs]
    return [result.sentence] if result.has_best and not result.learned_nothing else []


def _counts(result: SweepResult) -> str:
    """How many trials there are, and how they ended."""
    if result.trials.empty:
        return "no trial has ended yet"
    ended = result.trials["outcome"].value_counts()
    told = ", ".join(f"{count} {str(name).lower()}" for name, count in ended.items())
    return f"{len(result.trials)} trials ({told})"


@cache
def _asset(name: str) -> str:
    return files("lossweights.report").joinpath("assets", name).read_text(encoding="utf-8")


@cache
def _template() -> jinja2.Template:
    return jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    ).from_string(_asset("page.html"))


def _policy(scripts: list[str]) -> str:
    """What the browser lets the page do: run these very scripts, and load nothing.

    Plotly's WebGL charts compile functions, hence ``unsafe-eval``; it sets styles, too.
    """
    digests = (hashlib.sha256(script.encode()).digest() for script in scripts)
    allowed = " ".join(f"'sha256-{base64.b64encode(each).decode()}'" for each in digests)
    return (
        f"default-src 'none'; script-src {allowed} 'unsafe-eval'; style-src 'unsafe-inline'; "
        f"img-src data: blob:; base-uri 'none'; form-action 'none'"
    )
