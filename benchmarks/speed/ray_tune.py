"""Contestant (d): Ray Tune with Optuna's sampler, two trials at once, as it comes.

It is no dependency of this project; `benchmarks/peers.py` installs it.
"""

import tempfile
import time
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import keras
import psutil
import ray
from clock import arguments, cpu, report
from problems import problem
from ray import tune
from ray.tune.search.optuna import OptunaSearch

AT_ONCE = 2
BEGAN = "began"  # when a trial began, among its results
HERE = Path(__file__).parent


def main() -> None:
    """Run so many trials."""
    options = arguments()
    environment = {"env_vars": {"PYTHONPATH": f"{HERE.parents[1]}:{HERE}"}}
    ray.init(
        address="local",  # never a cluster that happens to run here
        num_cpus=AT_ONCE,
        include_dashboard=False,
        log_to_driver=False,
        runtime_env=environment,
    )
    try:
        with tempfile.TemporaryDirectory() as root:
            report(*sweep(options.problem, options.trials, root))
    finally:
        ray.shutdown()


def sweep(name: str, trials: int, root: str) -> tuple[float, float]:
    """Search, and give the time at which the first trial began, and what the cores had worked."""
    recipe = problem(name)
    space = {name: tune.loguniform(1e-2, 1e2) for name in recipe.searched}
    search = OptunaSearch(
        metric=list(recipe.objectives),
        mode=[direction[:3] for direction in recipe.objectives.values()],
        seed=0,
    )
    tuner = tune.Tuner(
        tune.with_parameters(partial(train, name), data=recipe.load_data()),
        param_space=space,
        tune_config=tune.TuneConfig(
            search_alg=search, num_samples=trials, max_concurrent_trials=AT_ONCE
        ),
        run_config=tune.RunConfig(storage_path=root, verbose=0),
    )
    before = ray_cpu()
    results = tuner.fit()
    if results.num_errors:
        raise results.errors[0]
    # `clock` sees no process but its own and those that it waited for.
    worked = ray_cpu() - before
    return min(result.metrics[BEGAN] for result in results), cpu() - worked


def train(name: str, weights: Mapping[str, float], data: Any) -> None:
    """One trial: all that the plain script does, but for the records, which are Ray's."""
    began = time.time()
    recipe = problem(name)
    keras.backend.clear_session()
    keras.utils.set_random_seed(0)

    def tell(epoch: int, logs: Mapping[str, float]) -> None:
        values = {key.removeprefix("val_"): v for key, v in logs.items() if key.startswith("val_")}
        tune.report({**values, BEGAN: began})

    recipe.compiled({next(iter(recipe.terms)): 1.0, **weights}).fit(
        data.train.x,
        data.train.y,
        validation_data=(data.val.x, data.val.y),
        epochs=recipe.epochs,
        batch_size=recipe.batch_size,
        verbose=0,
        callbacks=[keras.callbacks.LambdaCallback(on_epoch_end=tell)],
    )


def ray_cpu() -> float:
    """Seconds that all cores have worked for this process, Ray's and those that have ended."""
    own = psutil.Process()
    return sum(map(_worked, [own, *own.children(recursive=True)]))


def _worked(process: psutil.Process) -> float:
    try:
        return sum(process.cpu_times()[:4])  # user, system, and both of ended children
    except psutil.NoSuchProcess:
        return 0.0


if __name__ == "__main__":
    main()
