#!/usr/bin/env bash
# Install what the experiment needs: ./setup.sh [--check] [--simulator auto|embedded|vidur]
#
# Safe to repeat, to interrupt, and to run twice at the same time. Variables:
#   OPENGLIA_PYTHON      the Python to use (>= 3.12, < 3.15); default: the first that fits
#   OPENGLIA_VIDUR_REPO  a mirror of Vidur (URL or path); default: github.com/microsoft/vidur
set -euo pipefail

root="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
export PYTHONPATH="$root"

usage() {
    cat <<'TEXT'
usage: ./setup.sh [--check] [--simulator auto|embedded|vidur]

Makes .venv with the pinned packages, clones Vidur at its pinned commit, trains its execution-time
predictors (about a minute), and ends with a self check. Without Vidur the embedded simulator is
used: the same events, without Vidur's code.

  --check                 say what is in place and change nothing; exit status 0 only if all is
  --simulator auto        Vidur if it can be had, else the embedded simulator alone (the default)
  --simulator embedded    do without Vidur
  --simulator vidur       fail if Vidur cannot be had
  --help                  this text

OPENGLIA_PYTHON names the Python to use, OPENGLIA_VIDUR_REPO a mirror of Vidur (URL or path).
TEXT
}

# Whether the command is a Python that runs and fits.
fits() {
    "$1" -c 'import sys, venv; sys.exit(not (3, 12) <= sys.version_info < (3, 15))' \
        >/dev/null 2>&1
}

candidates() {
    printf '%s\n' "$root/.venv/bin/python" python3 python3.14 python3.13 python3.12
    local version
    for version in "${PYENV_ROOT:-$HOME/.pyenv}"/versions/3.1[234]*/bin/python; do
        printf '%s\n' "$version"
    done
    if command -v uv >/dev/null; then
        uv python find --no-project '>=3.12,<3.15' 2>/dev/null || true
    fi
}

find_python() {
    local candidate
    if [[ -n "${OPENGLIA_PYTHON:-}" ]]; then
        if fits "$OPENGLIA_PYTHON"; then
            printf '%s\n' "$OPENGLIA_PYTHON"
            return
        fi
        echo "setup: OPENGLIA_PYTHON=$OPENGLIA_PYTHON is not a Python >= 3.12, < 3.15 that runs" >&2
        return 1
    fi
    while IFS= read -r candidate; do
        if fits "$candidate"; then
            printf '%s\n' "$candidate"
            return
        fi
    done < <(candidates)
    echo "setup: no Python >= 3.12, < 3.15 was found: install python3.13 with its venv module" \
        "(or uv), or name one with OPENGLIA_PYTHON" >&2
    return 1
}

# Run a command to its end. A signal that comes to this script goes to the command, which then ends.
attended() {
    "$@" <&0 &
    local process=$!
    trap 'kill -TERM "$process" 2>/dev/null || true' INT TERM HUP
    until wait "$process" || ! kill -0 "$process" 2>/dev/null; do :; done
    trap - INT TERM HUP
    wait "$process"
}

main() {
    local word check=0 python
    for word in "$@"; do
        case "$word" in
        --help | -h)
            usage
            return
            ;;
        --check) check=1 ;;
        esac
    done
    if [[ "$check" == 1 && ! -x "$root/.venv/bin/python" ]]; then
        echo "setup: .venv is missing: run ./setup.sh"
        return 1
    fi
    if [[ "$check" == 0 ]]; then
        python="$(find_python)"
        attended "$python" -P -m openglia.bootstrap
    fi
    exec "$root/.venv/bin/python" -P -m openglia setup "$@"
}

main "$@"
