#!/usr/bin/env bash
# Writes requirements/*.txt from pyproject.toml: exact versions with hashes, for every platform, and no names of
# servers, so that any mirror can serve them. `scripts/lock.sh --upgrade` takes the newest versions.
set -euo pipefail
cd "$(dirname "$0")/.."
PATH="$PATH:.tools/uv/bin:$HOME/.local/bin"
lock() {
    uv pip compile pyproject.toml --quiet --universal --python-version 3.11 --generate-hashes --no-header "$@"
}
lock --output-file requirements/base.txt "$@"
lock --group dev --output-file requirements/dev.txt "$@"
