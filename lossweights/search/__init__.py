"""What is searched: where weights come from, which are tried first, and which are picked.

Doors:

- `space`: `Space` and the distributions `Fixed`, `Uniform`, `LogUniform`, `Off`,
  `Ramp`, `Simplex`;
- `distributions`: these by themselves;
- `choices`: what is chosen beside the weights;
- `start`: the parameter values that every sweep tries first;
- `baselines`: what a sweep has to beat, and which of it is inside the space;
- `warm`: what an earlier sweep found, as first points of another space;
- `suggest`: ranges for the weights, from one look at a model;
- `redundant`: a common factor that is searched for nothing;
- `sampler`: a sampler of Optuna's, asked place by place, on a bounded memory of what was tried;
- `samplers`: those of ours by name, and what ``Sweep(sampler=...)`` takes;
- `joint`, and one idea a module: `thompson`, `tpe`, `sobol`, `filler`, `rota`;
- `rungs`: `Rungs`, at which the worst part of what was asked for together stops;
- `pruner`: a pruner of Optuna in their place;
- `ranking`: which of some trials are the best, and how far apart they are;
- `stagnation`: when a search is done;
- `selection`: Pareto front and picks such as ``"min:rmse where shortfall<=5"``;
- `simplest`: the weights nearest to equal ones, and the pick ``"one-se:rmse"``;
- `front_shape`: where a front bulges or breaks, which weighted sums do not reach;
- `conditions`: bounds on metrics, such as ``shortfall<=5``;
- `wish`: `Wish`, what is wanted in outcomes, and the trial nearest to it;
- `aims`: wish and constraints of a sweep, and how far a trial misses them;
- `feasibility`: that as Optuna writes it;
- `importance`: how much each weight matters for each metric.

A new sampler is a subclass of `joint.JointSampler` in a module of its own, named in `samplers`;
`space`, `selection`, `simplest`, `conditions`, `wish` and `aims` need no Optuna.
"""
