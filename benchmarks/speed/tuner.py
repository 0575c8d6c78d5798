"""Contestant (b): KerasTuner's random search with the same budget, as it comes.

It is no dependency of this project: ``pip install keras-tuner tensorboard``.
"""

import tempfile
import time

import keras
import keras_tuner
from clock import arguments, cpu, report
from problems import problem


def main() -> None:
    """Run so many trials."""
    options = arguments()
    with tempfile.TemporaryDirectory() as root:
        report(*sweep(options.problem, options.trials, root))


def sweep(name: str, trials: int, root: str) -> tuple[float, float]:
    """Search, and give the time at which the first trial began, and `cpu` then."""
    recipe = problem(name)
    data = recipe.load_data()

    def build(hp: keras_tuner.HyperParameters) -> keras.Model:
        weights = {name: hp.Float(name, 1e-2, 1e2, sampling="log") for name in recipe.searched}
        weights[next(iter(recipe.terms))] = 1.0
        return recipe.compiled(weights)

    objectives = [
        keras_tuner.Objective(f"val_{name}", direction[:3])
        for name, direction in recipe.objectives.items()
    ]
    tuner = keras_tuner.RandomSearch(
        build,
        objective=objectives,
        max_trials=trials,
        seed=0,
        directory=root,
        project_name=name,
        max_consecutive_failed_trials=1,
    )
    before = time.time(), cpu()
    tuner.search(
        data.train.x,
        data.train.y,
        validation_data=(data.val.x, data.val.y),
        epochs=recipe.epochs,
        batch_size=recipe.batch_size,
        verbose=0,
    )
    return before


if __name__ == "__main__":
    main()
