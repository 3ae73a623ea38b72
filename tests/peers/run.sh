#!/usr/bin/env bash
# Let OpenEvolve and GEPA work in the Researcher's place: ./tests/peers/run.sh
#
# Installs each of them from the package index, in an environment of its own, and gives it 20
# evaluations of the benchmark smoke. No model is needed: a stand-in on this machine answers. Not part
# of ./tests/run.sh, since it needs the index; the exit status is 0 only if both runs were in order.
set -euo pipefail

root="$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)"
bin="$root/.venv/bin"
environments="$root/environment/cache/peers"

# An environment with packages; uv is much faster.
fill() {
    local folder="$1"
    shift
    if [[ -x "$bin/uv" ]]; then
        "$bin/uv" venv --quiet --python "$bin/python" "$folder" &&
            "$bin/uv" pip install --quiet --python "$folder/bin/python" "$@"
    else
        "$bin/python" -m venv "$folder" && "$folder/bin/python" -m pip install --quiet "$@"
    fi
}

install() {
    local folder="$environments/$1"
    shift
    if [[ -f "$folder/installed" && "$(<"$folder/installed")" == "$*" ]]; then return; fi
    rm -rf "$folder"
    if ! fill "$folder" "$@"; then
        echo "tests/peers: $1 could not be installed: this test needs the package index" >&2
        exit 1
    fi
    printf '%s\n' "$*" >"$folder/installed"
}

main() {
    cd "$root"
    ./setup.sh --simulator embedded
    mkdir -p "$environments"
    install openevolve openevolve==0.4.0
    install gepa gepa==0.1.4 openai
    PYTHONPATH="$root" "$bin/python" tests/peers/head_to_head.py "$environments"
}

main "$@"
