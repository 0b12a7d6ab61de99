#!/usr/bin/env bash
# Fetches what the tests need and Python packages do not bring: a MariaDB server, and a small public API for tests that
# is written for Node.js. (PostgreSQL comes with the locked packages.) As root, Debian's packages are installed where
# they are missing; otherwise the tests that want them say so and are skipped (or fail, where BIEF_REQUIRE_SERVERS=1).
set -euo pipefail
cd "$(dirname "$0")/.."

has() { PATH="$PATH:/usr/sbin" command -v "$1" >/dev/null 2>&1; }

install() {
    if [ "$(id -u)" = 0 ] && has apt-get; then
        # Installed without being started: the tests start servers of their own.
        { apt-get update -qq &&
            DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends "$@"; } >/dev/null 2>&1 || true
    fi
}

fetch_mariadb() {
    has mariadbd || has mysqld || install mariadb-server
    has mariadbd || has mysqld ||
        printf 'servers: no MariaDB here, so the tests of the source mysql will be skipped\n' >&2
}

fetch_jsonplaceholder() {
    local package=jsonplaceholder version=0.3.3
    if [ -e ".servers/node_modules/$package/index.js" ]; then
        return
    fi
    has npm || install nodejs npm
    if ! has npm; then
        printf 'servers: no Node.js here, so the test against the %s package will be skipped\n' "$package" >&2
        return
    fi
    mkdir -p .servers
    npm install --silent --no-audit --no-fund --no-save --ignore-scripts --prefix .servers "$package@$version" >/dev/null ||
        printf 'servers: %s could not be fetched, so its test will be skipped\n' "$package" >&2
}

fetch_mariadb
fetch_jsonplaceholder
