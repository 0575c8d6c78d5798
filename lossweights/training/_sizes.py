"""How many members a stack may have: what cache and memory hold, in few sizes."""

from __future__ import annotations

import math

import keras
import numpy as np

from lossweights.base.machine import cache_bytes
from lossweights.base.memory import free_bytes, held_bytes
from lossweights.foreign.devices import gpu_bytes
from lossweights.foreign.keras_names import layers_of
from lossweights.training.problem import Problem

COPIES = 4  # parameters, gradients and two moments, as Adam has them
CACHE_SHARE = 0.5  # of the last-level cache: the data and other processes need the rest
MEMORY_SHARE = 0.25  # of the memory that is free: a stack needs more than its members' steps
GPU_SHARE = 1 / 32  # of a card's memory, where measuring begins: it is far faster than its caches
# A trainer of larger members is given up before another one is made. Below, holding all of them
# costs little, and timing them in turns tells more.
HELD_BYTES = 64 << 20
# What a smaller stack must save of `member_bytes`, over all its steps, to be worth compiling: a
# compilation takes as long as a core reads and writes four times this, and a sweep has some waves.
# No clock is asked: two runs of a sweep move alike, whatever else the machine does.
WORTH_COMPILING = 3e9


def bucket(members: int, size: int) -> int:
    """The size of the stack for so many members: 1, 2, 4 or a multiple of 8, at most ``size``.

    Every size is compiled for itself, so there are few. In stacks of multiples of 8 a member's
    numbers are the same to the last bit, with the kernels of today.

    >>> [bucket(n, 32) for n in (1, 3, 5, 9, 25, 32)]
    [1, 4, 8, 16, 32, 32]
    """
    rounded = 1 << (members - 1).bit_length() if members < 8 else -(-members // 8) * 8
    return min(rounded, size)


def smaller_size(members: int, now: int, most: int, bytes_left: float, compiled: set[int]) -> int:
    """The size of the stack in which so many members go on.

    Args:
        members: How many go on.
        now: The size of the stack that they come from.
        most: The largest size.
        bytes_left: What a member reads and writes until its end, about.
        compiled: Sizes that cost nothing. Only multiples of 8 are taken for that, in which numbers
            are the same to the last bit: what is compiled depends on what was trained before.

    >>> smaller_size(5, 16, 16, 1e9, set()), smaller_size(5, 16, 16, 1e3, set())
    (8, 16)
    >>> smaller_size(5, 16, 16, 1e3, {8}), smaller_size(2, 4, 16, 1e3, {2})
    (8, 4)
    """
    size = bucket(members, most)
    if size >= now or (size in compiled and size % 8 == 0):
        return size
    return size if size <= now // 2 and (now - size) * bytes_left >= WORTH_COMPILING else now


def cached_members(model: keras.Model, problem: Problem) -> int:
    """The number of members whose training stays in the last-level cache, a power of two.

    It is where measuring begins, and what is taken where nothing is measured. On a GPU, which needs
    many members to be busy at all, a part of its memory takes the place of the cache.

    Args:
        model: A built model of the problem.
        problem: What is trained.
    """
    card = gpu_bytes()
    cached = CACHE_SHARE * cache_bytes() if card is None else GPU_SHARE * card
    members = power_of_two(cached / member_bytes(model, problem.batch_size))
    return min(members, most_members(model, problem))


def most_members(model: keras.Model, problem: Problem, limit: int | None = None) -> int:
    """The number of members that the free memory has room for, a power of two; also a GPU's.

    Args:
        model: A built model of the problem.
        problem: What is trained.
        limit: Bytes that this process may hold, or ``None`` for what is free.
    """
    room = free_bytes() if limit is None else min(free_bytes(), limit - held_bytes())
    card = gpu_bytes()
    room = room if card is None else min(room, card)
    return power_of_two(MEMORY_SHARE * room / member_bytes(model, problem.batch_size))


def power_of_two(number: float) -> int:
    """The largest power of two that is not above a number, and at least 1.

    >>> [power_of_two(number) for number in (0.3, 1, 7.9, 32)]
    [1, 1, 4, 32]
    """
    return 1 << math.floor(math.log2(max(number, 1)))


def member_bytes(model: keras.Model, batch_size: int) -> int:
    """About what a training step of one member reads and writes."""
    parameters = sum(_bytes(variable.shape, variable.dtype) for variable in model.weights)
    outputs = 0
    for layer in layers_of(model, include_self=False):
        try:
            tensors = keras.tree.flatten(layer.output)
        except (AttributeError, ValueError):  # a layer of a subclassed model has no symbolic output
            continue
        outputs += sum(_bytes(tensor.shape[1:], tensor.dtype) for tensor in tensors)
    return COPIES * parameters + 2 * batch_size * outputs  # values, and their gradients


def _bytes(shape: tuple[int | None, ...], dtype: str) -> int:
    return math.prod(axis or 1 for axis in shape) * np.dtype(dtype).itemsize
