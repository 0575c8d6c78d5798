"""What is searched: where weights come from, which are tried first, and which are picked.

Doors:

- `space`: `Space` and the distributions `Fixed`, `Uniform`, `LogUniform`, `Simplex`;
- `baselines`: the weight sets that every sweep tries first;
- `sampler`: a sampler of Optuna's, asked place by place, on a bounded memory of what was tried;
- `samplers`: those of ours by name, and what ``Sweep(sampler=...)`` takes;
- `joint`, and one idea a module: `thompson`, `tpe`, `sobol`, `filler`, `rota`;
- `selection`: Pareto front and picks such as ``"min:rmse where shortfall<=5"``;
- `importance`: how much each weight matters for each metric.

A new sampler is a subclass of `joint.JointSampler` in a module of its own, named in `samplers`;
`space` and `selection` need no Optuna.
"""
