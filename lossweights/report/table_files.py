"""The trials of a sweep as a file: all of them for programs, and a table for a paper."""

from __future__ import annotations

import io
import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from lossweights.base.errors import RecipeError
from lossweights.base.files import write_atomic
from lossweights.results.proof import called
from lossweights.results.result import SweepResult


class _Row(NamedTuple):
    """A line of a table for people; a bold one is a pick."""

    cells: Sequence[str]
    bold: bool


def write_table(result: SweepResult, path: Path) -> Path:
    """Write the trials of a sweep to a file, of the kind that its suffix says.

    ``.csv`` and ``.parquet`` have all that `SweepResult.to_frame` has. ``.md`` and ``.tex`` have
    what a paper shows: what was confirmed, with intervals of 95 %, or else the Pareto front; picks
    are bold. The LaTeX needs the package booktabs.

    Args:
        result: The sweep.
        path: The file.

    Raises:
        RecipeError: The suffix is another one, or a library for it is not installed.
        StoreError: The file cannot be written.
    """
    write = _WRITERS.get(path.suffix.lower())
    if write is None:
        raise RecipeError(
            f"Expected a file that ends in .json for the weight set, or in {', '.join(_WRITERS)} "
            f"for the trials. Found {path.name!r}. Give it one of these endings."
        )
    write_atomic(path, write(result))
    return path


def _csv(result: SweepResult) -> str:
    return str(result.to_frame().to_csv(index=False, lineterminator="\n"))


def _parquet(result: SweepResult) -> bytes:
    written = io.BytesIO()
    try:
        result.to_frame().to_parquet(written, index=False)
    except ImportError as error:
        raise RecipeError(
            f"Expected a library that writes parquet. Found: {error}. Install pyarrow, or write a "
            f".csv."
        ) from None
    return written.getvalue()


def _markdown(result: SweepResult) -> str:
    headings, rows = _table(result)
    lines = [headings, ["---"] * len(headings)]
    for row in rows:
        cells = [each.replace("|", "\\|") for each in row.cells]
        lines.append([f"**{c}**" if row.bold and c else c for c in cells])
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines)


def _latex(result: SweepResult) -> str:
    headings, rows = _table(result)
    body = []
    for row in rows:
        cells = [_escaped(each) for each in row.cells]
        body.append([f"\\textbf{{{c}}}" if row.bold and c else c for c in cells])
    lines = [
        f"\\begin{{tabular}}{{l{'r' * (len(headings) - 1)}}}",
        "\\toprule",
        f"{' & '.join(map(_escaped, headings))} \\\\",
        "\\midrule",
        *(f"{' & '.join(cells)} \\\\" for cells in body),
        "\\bottomrule",
        "\\end{tabular}",
    ]
    return "\n".join(lines) + "\n"


def _escaped(text: str) -> str:
    """Text as LaTeX prints it as it is."""
    signs = {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}"}
    return "".join(signs.get(c, f"\\{c}" if c in "&%$#_{}" else c) for c in text)


def _table(result: SweepResult) -> tuple[list[str], list[_Row]]:
    look = result.proof.look
    return _front(result) if look is None or not look.whole else _confirmed(result)


def _confirmed(result: SweepResult) -> tuple[list[str], list[_Row]]:
    """A row for each contestant: the objectives, then other metrics, with intervals."""
    look, table = result.proof.look, result.confirmation
    assert look is not None
    of_data = table[table["data"] == look.data]
    names = [
        *result.objectives,
        *(m for m in look.metrics(look.data) if m not in result.objectives),
    ]
    cells: dict[str, dict[str, str]] = {}
    for row in of_data.to_dict("records"):
        cells.setdefault(row["contestant"], {})[row["metric"]] = _interval(row)
    headings = ["", *(f"{name} ({look.data})" for name in names)]
    rows = [
        _Row(
            [called(each), *(cells.get(each.name, {}).get(name, "") for name in names)],
            each.role == "pick" or each.name == result.first_pick,
        )
        for each in look.contestants
    ]
    return headings, rows


def _front(result: SweepResult) -> tuple[list[str], list[_Row]]:
    """A row for each trial of the front: picks, weights and objectives."""
    frame, terms, aims = result.to_frame(), list(result.terms), list(result.objectives)
    headings = ["trial", "pick", *(f"weight {name}" for name in terms), *aims]
    if result.pareto.empty:
        return headings, []
    picks = dict(zip(frame["number"], frame["picks"], strict=True))
    rows = []
    for row in result.pareto.to_dict("records"):
        picked = picks.get(row["number"], "")
        weights = [_number(row[f"weight/{name}"]) for name in terms]
        values = [_with_error(row, name) for name in aims]
        rows.append(_Row([str(row["number"]), picked, *weights, *values], bool(picked)))
    return headings, rows


def _interval(row: Mapping[Any, Any]) -> str:
    ends = (row["low"], row["high"])
    if not math.isfinite(row["mean"]):
        return ""
    known = all(map(math.isfinite, ends))
    return _number(row["mean"]) + (f" ({' to '.join(map(_number, ends))})" if known else "")


def _with_error(row: Mapping[Any, Any], name: str) -> str:
    error = row.get(f"stderr/{name}", math.nan)
    return _number(row[name]) + (f" ± {error:.2g}" if math.isfinite(error) else "")


def _number(value: float) -> str:
    return f"{value:.4g}"


_WRITERS: Mapping[str, Callable[[SweepResult], str | bytes]] = {
    ".csv": _csv,
    ".parquet": _parquet,
    ".tex": _latex,
    ".md": _markdown,
}
