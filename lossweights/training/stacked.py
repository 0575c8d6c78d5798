"""The stacked trainer: many members of one model in one compiled graph."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import numpy as np

from lossweights.problem import Data, Problem
from lossweights.records import TrialResult
from lossweights.training.contract import Member, ReportFunction, Trainer
from lossweights.training.history import MemberHistory
from lossweights.training.order import batch_order
from lossweights.training.rows import Chunks, Rows, chunk_rows
from lossweights.training.stack import Stack, is_random_state, model_values
from lossweights.training.stacked_gradients import Form


class StackedTrainer(Trainer):
    name = "stacked"

    def __init__(self, problem: Problem, data: Data, *, size: int = 32, form=None) -> None:
        self._problem, self._size = problem, size
        self._form=form
        self._model = problem.make_model(seed=0)
        self._train_rows = Rows(data.train)
        probe = data.train.spread(problem.probe_size)
        length = chunk_rows([len(probe), len(data.val)])
        self._probe, self._val = Chunks.of(probe, length), Chunks.of(data.val, length)
        self._stacks: dict[tuple[int, bool], Stack] = {}
        self._starts: dict[int, Any] = {}

    @property
    def capacity(self) -> int:
        """The size of a stack."""
        return self._size

    def train(self, members: Sequence[Member], report: ReportFunction) -> list[TrialResult]:
        histories = [MemberHistory(i, m, self._problem.epochs, report) for i, m in enumerate(members)]
        for first in range(0, len(histories), self._size):
            self._train_stack(histories[first : first + self._size])
        return [history.result(self.name) for history in histories]

    def _train_stack(self, histories):
        stack=self._stack(self._size)
        live=[*histories, *[histories[-1]]*(stack.size-len(histories))]
        stack.start([self._start(h.member.seed) for h in live],[h.member.weights for h in live])
        seed=live[0].member.seed
        t=time.monotonic()
        for epoch in range(self._problem.epochs+1):
            if epoch:
                stack.train_epoch(batch_order(len(self._train_rows), seed, epoch))
            for h,r in zip(histories, stack.measure(epoch)):
                h.add(r)
        for h in histories: h.seconds=(time.monotonic()-t)/len(histories)

    def _start(self, seed):
        if seed not in self._starts: self._starts[seed]=model_values(self._problem.make_model(seed))
        return self._starts[seed]

    def _stack(self, size):
        if size not in self._stacks:
            random = any(map(is_random_state, self._model.non_trainable_variables))
            self._stacks[size]=Stack(self._problem,self._model,size,self._form or Form(xla=not random),self._train_rows,self._probe,self._val)
        return self._stacks[size]
