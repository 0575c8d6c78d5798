"""As many threads of TensorFlow as this process has cores: it knows of no quota by itself."""

from __future__ import annotations

import os
from contextlib import suppress

import tensorflow as tf

from lossweights.base.machine import THREADS, available_cores, bound_cores


def limit_threads() -> None:
    """Have TensorFlow use as many threads as a quota leaves cores, unless somebody has said so.

    It takes one for each core that the process is bound to. In a container that has a part of their
    time, so many threads would use up the quota at once, and all wait for the next period. Where
    there is no quota, or TensorFlow has run an operation, nothing changes. Workers are told by
    their environment.
    """
    cores = available_cores()
    if cores == bound_cores() or THREADS in os.environ:
        return
    threading = tf.config.threading
    if threading.get_intra_op_parallelism_threads():
        return
    with suppress(RuntimeError):  # an operation was run: there are as many threads as there are
        threading.set_intra_op_parallelism_threads(cores)
        threading.set_inter_op_parallelism_threads(cores)
