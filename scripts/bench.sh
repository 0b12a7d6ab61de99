#!/usr/bin/env bash
# Measures Bief, beside its pinned peers if they can be installed: scripts/bench.sh VENV [options of bench/rest.py]
set -euo pipefail
cd "$(dirname "$0")/.."
venv=$1
shift
PATH="$PATH:.tools/uv/bin:$HOME/.local/bin"
peers=.tools/peers
if [ ! -e "$peers/.ready" ]; then
    if uv venv --quiet --clear --python "$venv/bin/python" "$peers" &&
        uv pip install --quiet --python "$peers/bin/python" --requirement bench/peers/requirements.txt; then
        touch "$peers/.ready"
    else
        printf 'bench: the peers could not be installed; Bief is measured alone\n' >&2
    fi
fi
if [ -e "$peers/.ready" ]; then
    set -- --peers-python "$PWD/$peers/bin/python" "$@"
fi
exec "$venv/bin/python" bench/rest.py "$@"
