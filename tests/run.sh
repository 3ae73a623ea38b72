#!/usr/bin/env bash
# Pass the tests: ./tests/run.sh [PYTEST OPTION ...]
#
# Creates what it needs from nothing (.venv with the pinned packages), then runs shellcheck, ruff,
# mypy and pytest. The exit status is 0 only if all four are content.
set -euo pipefail

root="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
bin="$root/.venv/bin"
export PYTHONPATH="$root"

# The test tools' pins as one line; the same line in the marker means that they are installed.
pins() {
    "$bin/python" -c 'import tomllib
with open("pyproject.toml", "rb") as stream:
    print(*tomllib.load(stream)["project"]["optional-dependencies"]["test"])'
}

install_test_tools() {
    local wanted marker="$root/.venv/openglia-test-tools"
    wanted="$(pins)"
    if [[ -f "$marker" && "$(<"$marker")" == "$wanted" ]]; then return; fi
    local -a packages
    read -ra packages <<<"$wanted"
    if [[ -x "$bin/uv" ]]; then
        "$bin/uv" pip install --quiet --python "$bin/python" "${packages[@]}"
    else
        "$bin/python" -m pip install --quiet "${packages[@]}"
    fi
    printf '%s\n' "$wanted" >"$marker"
}

check() {
    local name="$1"
    shift
    if "$@"; then
        echo "$name: well"
    else
        echo "$name: FAILED"
        failed=1
    fi
}

main() {
    local failed=0
    cd "$root"
    unset PYTHONDONTWRITEBYTECODE # as in many containers: each process would compile all anew
    ./setup.sh --simulator embedded
    install_test_tools
    check shellcheck "$bin/shellcheck" setup.sh run.sh tests/run.sh tests/peers/run.sh .ci/run environment/*.sh
    check ruff "$bin/ruff" check
    check "ruff format" "$bin/ruff" format --check
    check mypy "$bin/mypy"
    # A script that starts this in the background has it ignore Ctrl-C, and nohup hangups, which the tests send.
    env --default-signal=INT,HUP "$bin/python" -m pytest "$@" || failed=1
    exit "$failed"
}

main "$@"
