#!/bin/sh
# The leaf crates run inside Envoy, or everywhere: neither may see a runtime, a server or a command line, not even through
# another crate.
set -eu
. "$(dirname "$0")/lib.sh"

for leaf in understudy-core understudy-filter; do
    tree=$(cargo tree --locked -p "$leaf" -e normal,build --target all --prefix none --format '{p}' | cut -d' ' -f1 | sort -u)
    [ "$(say "$tree" | grep -cx "$leaf")" = 1 ] || fail "cargo tree doesn't list $leaf itself"
    for banned in tokio hyper kube clap anyhow; do
        if say "$tree" | grep -qx "$banned"; then
            cargo tree --locked -p "$leaf" -e normal,build --target all -i "$banned"
            fail "$leaf must not depend on $banned"
        fi
    done
    say "$leaf: $(say "$tree" | wc -l | tr -d ' ') crates, none of them tokio, hyper, kube, clap or anyhow"
done
