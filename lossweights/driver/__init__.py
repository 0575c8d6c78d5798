"""The driver: the one loop that asks, has trained, keeps and learns."""

from lossweights.driver._driver import Driver
from lossweights.driver._policy import Policy, StopRule
from lossweights.driver._recorder import Recorder

__all__ = ["Driver", "Policy", "Recorder", "StopRule"]
