#!/usr/bin/env bash
# Run one experiment: discover a router, and keep all that was measured in generated/run_*/.
#
#   ./run.sh [--model NAME] [--benchmark NAME] [--max-evaluations N] ...    ./run.sh --help
#
# Sets up what is missing first (./setup.sh). Variables: OPENGLIA_MODEL names the model when --model
# does not; OPENGLIA_VIDUR_REPO and OPENGLIA_PYTHON are setup.sh's.
set -euo pipefail

root=$(cd -- "$(dirname -- "$(readlink -f -- "${BASH_SOURCE[0]}")")" && pwd)
export PYTHONPATH="$root"

# Run a command to its end. A signal that comes to this script goes to the command, which then ends.
attended() {
    "$@" <&0 &
    local process=$!
    trap 'kill -TERM "$process" 2>/dev/null || true' INT TERM HUP
    until wait "$process" || ! kill -0 "$process" 2>/dev/null; do :; done
    trap - INT TERM HUP
    wait "$process"
}

if [[ " $* " == *" --help "* || " $* " == *" -h "* ]] && [[ ! -x $root/.venv/bin/python ]]; then
    printf 'Run ./setup.sh first: what it installs lists the options of run.sh.\n'
    exit 0
fi
if [[ " $* " != *" --help "* && " $* " != *" -h "* ]] && ! "$root/setup.sh" --check &>/dev/null; then
    attended "$root/setup.sh" >&2
fi
exec "$root/.venv/bin/python" -P -m openglia run "$@"
