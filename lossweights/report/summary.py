"""What a sweep prints at its end: verdict, Pareto front, weight sets, and where to look next."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
from rich.console import Console
from rich.table import Table

from lossweights.base.commands import DEFAULT_ROOT, from_here
from lossweights.dominance.judge import judge_results
from lossweights.dominance.verdict import Verdict
from lossweights.report._baselines import TITLE, baseline_rows, chosen_cells, with_error
from lossweights.report._front import front_note
from lossweights.report._proof import proof_caption, proof_rows, proof_title
from lossweights.report.links import find_links
from lossweights.report.terminal import copyable, page, print_table, prose
from lossweights.results.promotion import promoted_now
from lossweights.results.proof import Kept
from lossweights.results.result import SweepResult
from lossweights.results.stopped import stopped_early
from lossweights.results.weights import pick_path, promoted_path

_TEXTS = ("driven by", "baseline")  # columns that are read from the left
ROWS = 16  # of a long front, evenly spread; the report has them all


def print_summary(result: SweepResult, root: Path, console: Console | None = None) -> None:
    """Print what a sweep found for a person, where to look at it, and the sentence to sign."""
    console = console or page()
    _print_trials(result, root, console)
    print_links(root, result.name, console)
    print_proof(result, console)


def print_findings(result: SweepResult, root: Path, console: Console | None = None) -> None:
    """Print all of it but for where to look, which is there once report and pictures are drawn."""
    console = console or page()
    _print_trials(result, root, console)
    print_proof(result, console)


def print_links(root: Path, name: str, console: Console | None = None) -> None:
    """Print where to look at a sweep: what there is by now."""
    console = console or page()
    console.print("\nLook at it:")
    for what, where in find_links(root, name).items():
        copyable(console, f"  {what:<9}  {where}")


def _print_trials(result: SweepResult, root: Path, console: Console) -> None:
    """Print trials, verdict, front, baselines and weight sets."""
    counts = Counter(result.trials["outcome"]) if len(result.trials) else Counter()
    ended = ", ".join(f"{n} {outcome.lower()}" for outcome, n in counts.most_common())
    console.print(f"\n[bold]{result.name}[/bold]: {len(result.trials)} trials ({ended})")
    results = [finished.result for finished in result.finished.values() if not finished.again]
    if stopped := stopped_early(results, result.recipe.get("epochs")):
        prose(console, stopped)
    prose(console, f"Verdict: {result.verdict}")
    if details := " ".join(result.sweep_verdict.details):
        prose(console, details)
    console.print()
    print_table(console, pareto_table(result))
    if baselines := baseline_rows(result):
        console.print()
        print_table(console, _table(baselines, TITLE))
    saved = {pick: pick_path(root, result.name, pick) for pick in result.standard_picks}
    saved = {pick: path for pick, path in saved.items() if path.exists()}
    if saved:
        _print_picks(result, root, saved, console)
    elif not result.has_best:
        prose(console, "No weight set was saved, since no trial is complete.")


def print_proof(result: SweepResult, console: Console | None = None) -> None:
    """Print what confirmation says: a small table, what is to be known of it, and the sentence."""
    console = console or page()
    rows = proof_rows(result)
    if rows:
        console.print()
        table = Table(
            title=proof_title(result),
            title_justify="left",
            caption=proof_caption(result),
            caption_justify="left",
        )
        for column in rows[0]:
            table.add_column(column, justify="left" if column == "contestant" else "right")
        for row in rows:
            table.add_row(*row.values())
        print_table(console, table)
    for note in result.proof.notes:
        prose(console, note)
    if result.has_best and not result.learned_nothing:  # or else it has been said
        console.print()
        prose(console, result.sentence)


def pareto_rows(result: SweepResult) -> list[dict[str, str]]:
    """The Pareto front as texts by column: trial, relative weights, objectives, what drove it.

    Trials whose objectives are equal to four digits are one row: the knee, if it is one of them,
    or the first, with how many there are besides.
    """
    alike: dict[tuple[str, ...], list[Mapping[Hashable, Any]]] = {}
    for row in result.pareto.to_dict("records"):
        alike.setdefault(tuple(f"{row[name]:.4g}" for name in result.objectives), []).append(row)
    return [_row(result, rows) for rows in alike.values()]


def _row(result: SweepResult, alike: Sequence[Mapping[Hashable, Any]]) -> dict[str, str]:
    """One row for trials whose objectives are equal to four digits."""
    shown = min(alike, key=lambda row: (row["number"] != result.knee.number, row["number"]))
    others = f" and {len(alike) - 1} alike" if len(alike) > 1 else ""
    names = [row["baseline"] for row in alike if isinstance(row["baseline"], str)]
    named = f" ({', '.join(names)})" if names else ""
    return {
        "trial": f"{shown['number']}{others}{named}",
        **{f"weight {term}": f"{shown[f'relative/{term}']:.4g}" for term in result.terms},
        **chosen_cells(shown),
        **{name: with_error(shown, name) for name in result.objectives},
        "driven by": driven_by(result.verdicts[int(shown["number"])]),
    }


def scale_note(result: SweepResult) -> str:
    """What the weights of the table are measured in."""
    if result.scales is None:
        return "Weights multiply each term."
    return "Weights are relative to the data; the weight sets hold what multiplies each term."


def pareto_table(result: SweepResult) -> Table:
    """The Pareto front for the terminal, every few rows if it is long."""
    rows = pareto_rows(result)
    spread = np.linspace(0, max(len(rows) - 1, 0), ROWS).round()
    kept = sorted({int(index) for index in spread}) if rows else []
    more = f" The report has all {len(rows)}." if len(rows) > ROWS else ""
    shown = [rows[index] for index in kept]
    return _table(shown, front_title(result, len(rows)), scale_note(result) + more)


def own_choice(result: SweepResult) -> str:
    """What the sweep itself promotes, where a person has promoted something else."""
    own = "nothing" if result.learned_nothing else result.first_pick
    return f"the sweep itself promotes {own}"


def _table(rows: Sequence[Mapping[str, str]], title: str, caption: str | None = None) -> Table:
    table = Table(title=title, title_justify="left", caption=caption, caption_justify="left")
    for column in rows[0] if rows else ():
        side: Literal["left", "right"] = "left" if column in _TEXTS else "right"
        table.add_column(column, justify=side, no_wrap=True)
    for row in rows:
        table.add_row(*row.values())
    return table


def front_title(result: SweepResult, rows: int) -> str:
    """How many trials are on the front, in how many rows, and how many satisfy constraints."""
    title = f"Pareto front: {len(result.pareto)} of {len(result.trials)} trials"
    constraints = result.aims.constraints
    if constraints and len(result.pareto):
        feasible = int((result.pareto["violation"] <= 0).sum())
        title += f", {feasible} with {' and '.join(map(str, constraints))}"
    if rows == len(result.pareto):
        return title
    return f"{title}, {'all alike' if rows == 1 else f'{rows} of them different'} to four digits"


def verdict_of(result: SweepResult, kept: Kept) -> Verdict:
    """What drove the training behind a pick, of a trial or of a baseline beside them."""
    if kept.trial is not None:
        return result.verdicts[kept.trial]
    return judge_results({0: kept.result}, result.baseline)[0]


def driven_by(verdict: Verdict) -> str:
    """The driver of a training with its part of the decrease, or the word for why there is none."""
    if verdict.driver is not None:
        return f"{verdict.driver} ({verdict.decrease[verdict.driver]:.0%})"
    return "undetermined" if "undetermined" in verdict.words.values() else "balanced"


def _print_picks(
    result: SweepResult, root: Path, saved: Mapping[str, Path], console: Console
) -> None:
    console.print("\nWeight sets:")
    width = max(len(pick) for pick in saved)
    for pick, path in saved.items():
        weights = result.best(pick)
        measured = ", ".join(f"{n} {weights.metrics[n]:.4g}" for n in result.objectives)
        trial = f"trial {weights.origin['trial']}, " if "trial" in weights.origin else ""
        baseline = weights.origin.get("baseline")
        named = f"the baseline {baseline}, " if baseline else ""
        where = f"{trial}{named}{measured}"
        copyable(console, f"  {pick:<{width}}  {from_here(path)}  ({where})")
    for note in filter(None, [*result.notes, front_note(result)]):
        prose(console, note, indent=2)
    if result.remark:
        prose(console, result.remark, indent=2)
    promoted = promoted_path(root, result.name)
    now = promoted_now(root, result.name)
    by_hand = now is not None and now.by_hand
    no_promotion = "none, since the sweep learned nothing; loading one of these warns"
    nothing = result.learned_nothing and not by_hand
    copyable(console, f"  promoted: {no_promotion if nothing else from_here(promoted)}")
    if by_hand:
        prose(console, f"({now}; {own_choice(result)})", indent=12)
    place = "" if root == DEFAULT_ROOT else f", root={str(root)!r}"
    call = f"lw.load({result.name!r}{place}).loss()"
    copyable(console, f"  reuse:    model.compile(optimizer, loss={call})")
