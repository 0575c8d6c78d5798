"""What a sweep may know besides its trials: baselines, confirmation, and what each term is worth.

An older sweep has none of it, nor has one that was not asked for it. Whoever shows a result asks
here and gets something empty then.
"""

from __future__ import annotations

from typing import Any

import pandas as pd


def sentence(result: Any) -> str:
    """What one may sign: the confirmed conclusion, or the verdict where nothing was confirmed."""
    return str(getattr(result, "sentence", "") or result.verdict)


def baselines(result: Any) -> pd.DataFrame:
    """What was trained beside the space: ``name``, weights, and a column for each metric."""
    return _table(result, "baselines")


def confirmation(result: Any) -> pd.DataFrame:
    """How picks and baselines did from fresh seeds, a row for each contestant, metric and data."""
    return _table(result, "confirmation")


def worth(result: Any) -> pd.DataFrame:
    """How much worse each metric gets without each term: term, metric, worse, low, high."""
    return _table(result, "worth")


def _table(result: Any, name: str) -> pd.DataFrame:
    found = getattr(result, name, None)
    return found if isinstance(found, pd.DataFrame) else pd.DataFrame()
