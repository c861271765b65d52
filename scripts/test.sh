#!/bin/sh
# All native tests. The end-to-end suite comes last, so that the output ends with its result.
set -eu
. "$(dirname "$0")/lib.sh"

# The filter is a module for Envoy: it is tested inside one, and links nowhere else.
cargo test --locked --workspace --exclude understudy-filter --exclude understudy-cli

# What is for a cluster, against its schemas.
sh scripts/check-manifests.sh

# Real SDKs, recorded and answered a day later.
sh scripts/setup-sdk.sh
cargo test --locked -p understudy-cli --test sdk

# The command as people run it, the sample service included.
cargo test --locked -p understudy-cli --bins --test command

# The pages in a browser.
sh scripts/setup-browser.sh
cargo test --locked -p understudy-cli --test browser

sh scripts/setup-network.sh
cargo test --locked -p understudy-cli --test e2e
