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

if ! "$root/setup.sh" --check >/dev/null 2>&1; then
    case " $* " in
    *" --help "* | *" -h "*)
        if [[ ! -x $root/.venv/bin/python ]]; then
            printf 'Run ./setup.sh first: the options are listed by what it installs.\n'
            exit 0
        fi
        ;;
    *) "$root/setup.sh" >&2 ;;
    esac
fi

cd -- "$root"
exec "$root/.venv/bin/python" -P -m openglia run "$@"
