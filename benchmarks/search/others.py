"""Samplers of others that are compared with ours; each needs what `pip` does not install with us.

`optuna-gp` is Optuna's Gaussian process. It needs PyTorch: `pip install 'lossweights[optuna-gp]'`.
"""

from __future__ import annotations

from lossweights.search.samplers import SamplerLike

NAMES = ("optuna-gp",)


def sampler_of(name: str, seed: int) -> SamplerLike:
    """What the sampler of a sweep is made of: a name of ours, or somebody else's sampler."""
    if name not in NAMES:
        return name
    from optuna.samplers import GPSampler

    return GPSampler(seed=seed, n_startup_trials=16)
