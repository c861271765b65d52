#!/bin/sh
# All native tests. The end-to-end suite comes last, so that the output ends with its result.
set -eu
. "$(dirname "$0")/lib.sh"

# The tests of the crates also start real clients and servers: everything is installed first.
sh scripts/setup-tests.sh

# Every call of cargo selects the same packages. With another selection tokio has other features,
# and cargo would compile tokio and everything that depends on it again. The filter is a module for
# Envoy: it is tested inside Envoy, and links nowhere else.
tests() { cargo test --locked --workspace --exclude understudy-filter "$@"; }

# Integration tests of the command (`is`), or of the other packages (`is not`), as options of cargo
# test. The end-to-end suite is left out.
integration() {
    cargo metadata --locked --no-deps --format-version 1 | python3 -c '
import json, sys
command = sys.argv[1] == "is"
for package in json.load(sys.stdin)["packages"]:
    for target in package["targets"]:
        if target["kind"] == ["test"] and (package["name"] == "understudy-cli") == command and target["name"] != "e2e":
            print("--test", target["name"])' "$1"
}

say "--- compiling the tests"
tests --no-run

say "--- the filter's module"
sh scripts/wasm.sh "${CARGO_TARGET_DIR:-target}/debug/understudy"

say "--- resources for a cluster, against the schemas"
sh scripts/check-manifests.sh

say "--- the crates"
# One word for each option.
# shellcheck disable=SC2046
tests --lib --bins --examples $(integration "is not")
tests --doc

say "--- the command"
# shellcheck disable=SC2046
tests $(integration is)

say "--- the end-to-end suite"
tests --test e2e
