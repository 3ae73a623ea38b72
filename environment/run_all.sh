#!/usr/bin/env bash
# Score the working scheduler, vidur/scheduler/global_scheduler/ai_global_scheduler.py, or others.
#
#   ./run_all.sh [FILE ...] [--seeds 0-2] [--benchmark NAME] [--duration S]
#                [--simulator auto|embedded|vidur] [--stop-if-worse X] [--no-requests]
#                [--json]
#
# Writes simulator_results/seed_N/request_metrics.csv (earlier results are removed first), prints a
# short table and, as the last line, one line of JSON; both for each file. Exit status: 0 scored, 3
# an evaluation failed and there is no score, others: it could not be done.
set -euo pipefail

script=$(readlink -f -- "${BASH_SOURCE[0]}")
root=$(dirname -- "$script")
until [[ -f $root/openglia/cli.py ]]; do
    if [[ $root == / ]]; then
        printf 'run_all.sh: %s lies in no OpenGLIA checkout; run ./setup.sh there\n' "$script" >&2
        exit 1
    fi
    root=$(dirname -- "$root")
done

# A sandbox that does not show the checkout as a whole names another place of the package.
export PYTHONPATH="${OPENGLIA_PACKAGE:-$root}"
exec "$root/.venv/bin/python" -m openglia evaluate \
    --results "$root/environment/vidur/simulator_results" "$@"
