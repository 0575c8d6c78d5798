"""For tests, yours and ours: a sweep that does sums, and the contract of executors.

`FakeSweep` is a sweep of the `FakeTrainer`: no Keras, no waiting. `ExecutorContract` is the test
that every executor passes, `IsolatedExecutorContract` what those that train elsewhere pass as well.
"""

from lossweights.testing._executor_contract import ExecutorContract, IsolatedExecutorContract
from lossweights.testing._fake import FakeSweep, FakeTrainer

__all__ = ["ExecutorContract", "FakeSweep", "FakeTrainer", "IsolatedExecutorContract"]
