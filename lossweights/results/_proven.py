"""What a confirmation says of a sweep, as its result offers it."""

from __future__ import annotations

from abc import ABC, abstractmethod

import pandas as pd

from lossweights.results.proof import Proof


class Proven(ABC):
    """The proof behind a sweep's result; `docs/proof.md` says what is claimed and what is not."""

    @property
    @abstractmethod
    def proof(self) -> Proof:
        """All that the last confirmation says."""

    @property
    def confirmation(self) -> pd.DataFrame:
        """What the picks and the baselines measured, trained from fresh seeds that no trial used.

        One row a contestant, metric and data set; empty before a confirmation. Columns:

        - contestant, metric, and data: ``"test"`` or ``"val"``;
        - mean over the seeds, and low and high, the interval of 95 % for the mean over all seeds;
        - difference to the best baseline in this metric, contestant minus baseline, in the units of
          the metric, over the seeds that both have; difference_low and difference_high, its
          interval of 95 %. The best baseline is that of the same numbers, which flatters it;
        - best: the probability of having the best mean of all contestants over all seeds.

        NaN is what too few seeds are left for: a training that diverged or failed, or in which a
        metric is undefined, counts nowhere, and `proof.notes` says which. Who diverged from some
        seed has no probability of being best.
        """
        return self.proof.confirmation

    @property
    def sentence(self) -> str:
        """One sentence that may be signed: what the pick is better than and by how much, or that
        it is no better within noise; or that nothing was confirmed, and how to.

        ``better than`` is said of a gain beyond noise, corrected by Holm's method for all baselines
        and objectives, and beyond `min_effect` of the metric.
        """
        return self.proof.sentence

    @property
    def worth(self) -> pd.DataFrame:
        """What each term is worth: by how much each metric gets worse where it is left out.

        One row a term, metric and data set, from the contestant without it, such as
        ``without:TERM``, against the one with the same weights and the term, such as ``equal``.
        Columns: term, metric, data, worse (above 0: the metric is worse without the term; in its
        units), and low and high, the interval of 95 %.
        """
        return self.proof.worth

    @property
    def curse(self) -> pd.DataFrame:
        """The winner's curse: what the sweep said of its picks against what confirmation says.

        One row a pick and objective, all on validation data. Columns: contestant, metric, sweep
        (the value of the trial), confirmed (the mean over fresh seeds) with low and high, and
        flattered: by which part of it the sweep's value was too good.
        """
        return self.proof.curse
