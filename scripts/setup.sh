#!/usr/bin/env bash
# Makes the development environment: a Python of at least 3.11, uv, the locked packages and bief itself.
#
#     scripts/setup.sh [VENV]        default: .venv
#
# Can be run again at any time; `make` runs it only when requirements/dev.txt or pyproject.toml have changed.
set -euo pipefail
cd "$(dirname "$0")/.."
venv=${1:-.venv}

say() { printf 'setup: %s\n' "$*" >&2; }

works() { command -v "$1" >/dev/null 2>&1 && "$@" >/dev/null 2>&1; }

new_enough() { works "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))'; }

find_python() {
    local candidate
    for candidate in ${PYTHON:-} python3 python3.14 python3.13 python3.12 python3.11 python; do
        if new_enough "$candidate"; then
            command -v "$candidate"
            return
        fi
    done
}

# uv goes into .tools/, so that nothing outside this folder is touched; a Debian Python without `venv`
# cannot do that and takes the user's own folder instead.
install_uv() {
    local base=$1
    say "installing uv"
    if "$base" -m venv .tools/uv >/dev/null 2>&1 && .tools/uv/bin/python -m pip install --quiet uv; then
        return
    fi
    rm -rf .tools/uv
    "$base" -m pip install --quiet --user uv 2>/dev/null ||
        "$base" -m pip install --quiet --user --break-system-packages uv
}

find_uv() {
    local candidate
    for candidate in uv .tools/uv/bin/uv "$HOME/.local/bin/uv"; do
        if works "$candidate" --version; then
            command -v "$candidate"
            return
        fi
    done
}

base=$(find_python)
uv=$(find_uv)
if [ -z "$uv" ]; then
    if [ -z "$base" ]; then
        say "Python 3.11 or newer is needed; install it, or set PYTHON to where it is"
        exit 1
    fi
    install_uv "$base"
    uv=$(find_uv)
    if [ -z "$uv" ]; then
        say "uv could not be installed; install it by hand and run this again"
        exit 1
    fi
fi

[ -x "$venv/bin/python" ] || "$uv" venv --quiet --python "${base:-3.11}" "$venv"
# Compiled once here, so that every start is quick, also where Python is told to write no bytecode.
"$uv" pip sync --quiet --compile-bytecode --require-hashes --python "$venv/bin/python" requirements/dev.txt
"$uv" pip install --quiet --python "$venv/bin/python" --no-deps --no-build-isolation --editable .
"$venv/bin/python" -m compileall -q src
touch "$venv/.ready"
say "ready: $("$venv/bin/python" --version), $venv"
