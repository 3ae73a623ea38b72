#!/usr/bin/env bash
# Measure the baseline routers (random, round_robin, lor, llq) on the same traces and store them.
#
#   ./run_baseline.sh [--seeds 0-2] [--benchmark NAME] [--simulator auto|embedded|vidur] [--json]
#
# Prints a short table and, as the last line, one line of JSON.
set -euo pipefail

script=$(readlink -f -- "${BASH_SOURCE[0]}")
root=$(dirname -- "$script")
until [[ -f $root/openglia/cli.py ]]; do
    if [[ $root == / ]]; then
        printf 'run_baseline.sh: %s lies in no OpenGLIA checkout; run ./setup.sh there\n' "$script" >&2
        exit 1
    fi
    root=$(dirname -- "$root")
done

# A sandbox that does not show the checkout as a whole names another place of the package.
export PYTHONPATH="${OPENGLIA_PACKAGE:-$root}"
exec "$root/.venv/bin/python" -m openglia baseline "$@"
