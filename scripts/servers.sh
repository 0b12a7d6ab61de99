#!/usr/bin/env bash
# Fetches what the tests need and Python packages do not bring. PostgreSQL comes with the locked packages, so this
# is only a small public API for tests, written for Node.js. As root, Node.js is installed if it is missing; otherwise
# the test that wants it says so and is skipped (or fails, where BIEF_REQUIRE_SERVERS=1).
set -euo pipefail
cd "$(dirname "$0")/.."
package=jsonplaceholder version=0.3.3
if [ -e ".servers/node_modules/$package/index.js" ]; then
    exit 0
fi
if ! command -v npm >/dev/null 2>&1 && [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
    { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends nodejs npm; } \
        >/dev/null 2>&1 || true
fi
if ! command -v npm >/dev/null 2>&1; then
    printf 'servers: no Node.js here, so the test against the %s package will be skipped\n' "$package" >&2
    exit 0
fi
mkdir -p .servers
npm install --silent --no-audit --no-fund --no-save --ignore-scripts --prefix .servers "$package@$version" >/dev/null ||
    printf 'servers: %s could not be fetched, so its test will be skipped\n' "$package" >&2
