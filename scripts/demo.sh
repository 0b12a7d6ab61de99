#!/usr/bin/env bash
# Shows the shipped examples at work, in a temporary folder and without any account or network.
set -euo pipefail
bief=$(cd "$(dirname "$1")" && pwd)/$(basename "$1")
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

show() {
    printf '\n$ bief'
    for word in "$@"; do
        case $word in *' '*) printf ' "%s"' "$word" ;; *) printf ' %s' "$word" ;; esac
    done
    printf '\n'
    "$bief" "$@"
}

cd "$folder"
show init accounting --example accounting
cd accounting
show check
show run
show query "SELECT count(*) AS invoices, sum(amount) AS total FROM customer_invoices"
printf '\nA day goes by at the accounting company: records come, change and go.\n'
show run
show query "SELECT count(*) AS invoices, sum(amount) AS total FROM customer_invoices"
show query "SELECT table_name, records_extracted, records_loaded, status FROM etl_logs ORDER BY id DESC LIMIT 11"

cd "$folder"
show init placeholder --example placeholder
cd placeholder
show run
show query "SELECT title FROM posts ORDER BY id LIMIT 3"

cd "$folder"
show init files --example files
cd files
show run
show query "SELECT _file, count(*) AS orders, sum(amount) AS total FROM orders GROUP BY _file ORDER BY _file"
printf '\nTwo rows could not be loaded. They are kept, each with its reason:\n'
show quarantine list
printf '\nIs everything else there? Source and destination, compared cell by cell:\n'
show verify files
