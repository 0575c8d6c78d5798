"""The driver: the one loop that asks for weight sets, has them trained, keeps and learns.

`Driver` is the loop, `ContestDriver` that of what is trained beside the trials, each an `Entry`;
`Policy` is what is done with trainings that go wrong, `Recorder` the thread that
writes behind it, `SweepProgress` what a terminal shows of it.
"""

from lossweights.driver._contest import ContestDriver, Entry
from lossweights.driver._driver import Driver
from lossweights.driver._policy import Policy
from lossweights.driver._progress import SweepProgress
from lossweights.driver._recorder import Recorder

__all__ = ["ContestDriver", "Driver", "Entry", "Policy", "Recorder", "SweepProgress"]
