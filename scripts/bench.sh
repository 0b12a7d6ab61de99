#!/usr/bin/env bash
# Measures Bief beside its pinned peers: scripts/bench.sh VENV [options of bench/run.py]
#
# Each peer gets an environment of its own in .cache/bench/peers, made when its requirements file has changed. A peer
# that cannot be installed is named in the report with the reason. `--without-peers` leaves them out.
set -euo pipefail
cd "$(dirname "$0")/.."
venv=$1
shift
PATH="$PATH:.tools/uv/bin:$HOME/.local/bin"

# Bief as its users have it: its own dependencies and nothing else. The scripts by hand run here too.
ours=.cache/bench/bief
if ! cat pyproject.toml requirements/base.txt | cmp --silent - "$ours/.ready"; then
    printf 'bench: installing Bief into %s\n' "$ours" >&2
    uv venv --quiet --clear --python "$venv/bin/python" "$ours"
    uv pip install --quiet --compile-bytecode --python "$ours/bin/python" \
        --constraint requirements/base.txt --editable .
    cat pyproject.toml requirements/base.txt >"$ours/.ready"
fi
"$ours/bin/python" -m compileall -q src

set_up() {
    local requirements=$1 folder=$2
    cmp --silent "$requirements" "$folder/.ready" && return
    printf 'bench: installing %s\n' "$requirements" >&2
    mkdir -p "$folder"
    if uv venv --quiet --clear --python "$venv/bin/python" "$folder" 2>"$folder.log" &&
        uv pip install --quiet --compile-bytecode --python "$folder/bin/python" \
            --requirement "$requirements" 2>>"$folder.log"; then
        cp "$requirements" "$folder/.ready"
    else
        mkdir -p "$folder"
        mv "$folder.log" "$folder/.failed"
        printf 'bench: %s could not be installed; the report says so\n' "$requirements" >&2
    fi
}

case " $* " in
*" --without-peers "* | *" --help "*) ;;
*)
    for requirements in bench/peers/*.txt; do
        set_up "$requirements" ".cache/bench/peers/$(basename "$requirements" .txt)"
    done
    ;;
esac
exec "$venv/bin/python" bench/run.py "$@"
