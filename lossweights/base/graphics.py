"""Graphics cards: which of them this process may use, without loading anything to ask."""

from __future__ import annotations

import os
import re
from pathlib import Path

# What CUDA reads when it starts: which cards there are for a process, and in which order.
VISIBLE = "CUDA_VISIBLE_DEVICES"
# What TensorFlow reads when it first uses a card: whether it takes memory as it needs it, and not
# all that there is.
GROWTH = "TF_FORCE_GPU_ALLOW_GROWTH"
DEVICES = Path("/dev")

_CARD = re.compile(r"nvidia\d+")
_NAME = re.compile(r"\d+|(GPU|MIG)-.+")


def visible_gpus() -> list[str]:
    """The NVIDIA cards that this process may use, each as `CUDA_VISIBLE_DEVICES` would name it.

    Where that is set, cards behind a name that is none are not seen, as CUDA has it. Where it is
    not, they are the device files of the driver: in a container those alone that it was given.
    Whether TensorFlow can compute on them is another question.
    """
    said = os.environ.get(VISIBLE)
    if said is None:
        files = (DEVICES.iterdir()) if DEVICES.is_dir() else ()
        return [str(number) for number in range(sum(bool(_CARD.fullmatch(f.name)) for f in files))]
    names: list[str] = []
    for name in map(str.strip, said.split(",")):
        if not _NAME.fullmatch(name):
            break
        names.append(name)
    return names
