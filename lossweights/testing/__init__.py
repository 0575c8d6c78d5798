"""For tests, yours and ours: a sweep that does sums, and the contract of executors."""

from lossweights.testing._executor_contract import ExecutorContract, IsolatedExecutorContract
from lossweights.testing._fake import FakeSweep, FakeTrainer

__all__ = ["ExecutorContract", "FakeSweep", "FakeTrainer", "IsolatedExecutorContract"]
