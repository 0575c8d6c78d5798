#!/usr/bin/env bash
# All that is measured of a graphics card, in under 8 minutes: parity of the trainers, then
# `model.fit`, one after another and stacks of 8 to 1,024 members of a perceptron, a U-Net and a
# Transformer block. One JSON file has it all, also of a run that was cut off.
#
#   benchmarks/gpu.sh results.json            with a GPU
#   benchmarks/gpu.sh results.json --small    does it run? half a minute, also without one
#
# PYTHON=... names another Python than that of `make venv`.
set -euo pipefail
results=$(realpath "${1:?Expected the file that gets the results, such as results.json.}")
shift
cd "$(dirname "$0")/.."
export PYTHONPATH=$PWD TF_CPP_MIN_LOG_LEVEL=3 TF_FORCE_GPU_ALLOW_GROWTH=true
exec "${PYTHON:-.venv/bin/python}" benchmarks/gpu.py "$results" "$@"
