"""The driver: the one loop that asks for weight sets, has them trained, keeps and learns.

`Driver` is the loop, `Policy` what it does with trials that go wrong, `Recorder` the thread that
writes behind it, `SweepProgress` what a terminal shows of it.
"""

from lossweights.driver._driver import Driver
from lossweights.driver._policy import Policy
from lossweights.driver._progress import SweepProgress
from lossweights.driver._recorder import Recorder

__all__ = ["Driver", "Policy", "Recorder", "SweepProgress"]
