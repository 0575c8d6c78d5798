"""Proof: what a confirmation over fresh, paired seeds says of the picks and the baselines.

- `Proof`: all of it, of one sweep;
- `Kept`: what a weight set keeps of a trial or of a baseline;
- `estimate`: the mean of a few numbers with its interval;
- `called`: what a sentence calls a contestant;
- `MIN_EFFECT`: the least gain that counts.

What is claimed, and what is not, stands in `docs/proof.md`. The statistics are in `_intervals` (the
interval of a mean, Holm's correction) and `_best` (the probability of being best), what they are
applied to in `_look` and `_compare`, what follows in `_promotion`, `_worth` and `_curse`, and the
words in `_sentence`, `_words` and `_notes`. Nothing here trains, and nothing reads a file.
"""

from lossweights.results.proof._compare import MIN_EFFECT
from lossweights.results.proof._intervals import estimate
from lossweights.results.proof._proof import Kept, Proof
from lossweights.results.proof._words import called

__all__ = ["MIN_EFFECT", "Kept", "Proof", "called", "estimate"]
