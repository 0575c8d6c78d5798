"""Contestant (a): the script that a competent user writes with Optuna, Keras and MLflow.

A new model a trial, `model.fit`, a study in SQLite, a nested MLflow run a trial with every term and
metric of every epoch, on training and validation data.
"""

import tempfile
import time
from pathlib import Path

import keras
import mlflow
import optuna
from clock import arguments, cpu, report
from problems import problem


def main() -> None:
    """Run so many trials."""
    options = arguments()
    with tempfile.TemporaryDirectory() as root:
        report(*sweep(options.problem, options.trials, Path(root)))


def sweep(name: str, trials: int, root: Path) -> tuple[float, float]:
    """Search, and give the time at which the first trial began, and `cpu` then."""
    recipe = problem(name)
    data = recipe.load_data()
    mlflow.set_tracking_uri(f"sqlite:///{root}/mlflow.db")
    mlflow.set_experiment(name)
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(
        storage=f"sqlite:///{root}/study.db",
        directions=list(recipe.objectives.values()),
        sampler=optuna.samplers.TPESampler(seed=0),
    )

    def objective(trial: optuna.Trial) -> list[float]:
        weights = {name: trial.suggest_float(name, 1e-2, 1e2, log=True) for name in recipe.searched}
        weights[next(iter(recipe.terms))] = 1.0
        with mlflow.start_run(run_name=f"trial {trial.number}", nested=True):
            mlflow.log_params(weights)
            keras.backend.clear_session()
            keras.utils.set_random_seed(0)
            history = recipe.compiled(weights).fit(
                data.train.x,
                data.train.y,
                validation_data=(data.val.x, data.val.y),
                epochs=recipe.epochs,
                batch_size=recipe.batch_size,
                verbose=0,
                callbacks=[keras.callbacks.LambdaCallback(on_epoch_end=log_epoch)],
            )
        return [history.history[f"val_{name}"][-1] for name in recipe.objectives]

    before = time.time(), cpu()
    with mlflow.start_run(run_name="plain"):
        study.optimize(objective, n_trials=trials)
    return before


def log_epoch(epoch: int, logs: dict[str, float]) -> None:
    """Every term and metric, in one call."""
    mlflow.log_metrics(logs, step=epoch)


if __name__ == "__main__":
    main()
