#!/bin/sh
# All native tests. The end-to-end suite comes last, so that the output ends with its result.
set -eu
. "$(dirname "$0")/lib.sh"

# The filter is a module for Envoy: it is tested inside one, and links nowhere else.
cargo test --locked --workspace --exclude understudy-filter --exclude understudy-cli

# All of the command's tests but the end-to-end suite.
set -- --bins
for file in crates/cli/tests/*.rs; do
    name=$(basename "$file" .rs)
    case $name in e2e | '*') ;; *) set -- "$@" --test "$name" ;; esac
done
cargo test --locked -p understudy-cli "$@"

cargo test --locked -p understudy-cli --test e2e
