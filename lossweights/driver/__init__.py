"""The driver: the one loop that asks, has trained, keeps and learns."""

from lossweights.driver.driver import Driver
from lossweights.driver.policy import Policy, StopRule
from lossweights.driver.recorder import Recorder

__all__ = ["Driver", "Policy", "Recorder", "StopRule"]
