#!/bin/sh
# The numbers of docs/reference/numbers.md, and of docs/reference/sizing.md. `bench.sh
# [mock|rules|tap|tls|memory|peers|canonical|pages|replay|fleet|all] [SECONDS]`; takes half an hour
# and wants an idle machine with two cores. Ratios count: what is compared runs in the same minutes.
set -eu
. "$(dirname "$0")/lib.sh"

what=${1:-all}
seconds=${2:-3}
have wrk || packages "the load generator" wrk
case $what in tls | replay | all) have h2load || packages "the load generator of HTTP/2" nghttp2-client ;; esac
case $what in
    peers | all)
        have java || packages "WireMock's Java" default-jre-headless
        have npm || packages "npm, for the peers" nodejs npm
        [ -d bench/peers/node_modules ] || (cd bench/peers && npm install --silent --no-audit --no-fund)
        ;;
esac
case $what in canonical | all) have node || packages "Node.js, to run wasm" nodejs ;; esac
pages() {
    cargo build --quiet --locked --release -p understudy-ui --example ui_bench
    say "" "## Pages of a snapshot" ""
    "${CARGO_TARGET_DIR:-target}/release/examples/ui_bench"
}
replay() {
    cargo build --quiet --locked --release -p understudy-replay --example generator_bench
    say "" "## Generator of replays, beside wrk and h2load" ""
    "${CARGO_TARGET_DIR:-target}/release/examples/generator_bench" "$seconds"
}
fleet() {
    cargo build --quiet --locked --release -p understudy-collector --example fleet_bench
    say "" "## Sidecars, two collectors, S3 (moto)" ""
    for load in "500 4 1000" "50 40 1000" "1000 0.2 1000"; do
        # Sidecars, exchanges a second, bytes of a body.
        # shellcheck disable=SC2086
        "${CARGO_TARGET_DIR:-target}/release/examples/fleet_bench" $load 20
    done
}
case $what in
    pages | replay | fleet)
        $what
        exit 0
        ;;
esac
say "--- building"
cargo build --quiet --locked --release -p understudy-core --example canonical_bench
cargo build --quiet --locked --profile filter --target wasm32-wasip1 -p understudy-core --example canonical_bench
cargo build --quiet --manifest-path bench/constant/Cargo.toml --release --target wasm32-wasip1 --target-dir target/bench-constant
cargo build --quiet --locked --release -p understudy-testkit --example bench
cargo build --quiet --locked --release -p understudy-compile --example table_bench --example decide_bench --example nearest_bench --example bundle_bench
cargo build --quiet --locked --release -p understudy-collector --example ingest_bench
examples=${CARGO_TARGET_DIR:-target}/release/examples
canonical() {
    say "" "## Normal form and digest, natively" ""
    "$examples/canonical_bench"
    say "" "## Normal form and digest, as wasm" ""
    node --no-warnings bench/wasi.mjs "${CARGO_TARGET_DIR:-target}/wasm32-wasip1/filter/examples/canonical_bench.wasm"
}
if [ "$what" = canonical ]; then
    canonical
    exit 0
fi
"$examples/bench" target/bench-constant/wasm32-wasip1/release/constant.wasm "$what" "$seconds"
[ "$what" = all ] || exit 0
say "" "## A verdict, natively" ""
"$examples/decide_bench"
say "" "## A miss explained, natively" ""
"$examples/nearest_bench"
canonical
say "" "## Snapshot to table, 1,000,000 exchanges" ""
"$examples/table_bench"
say "" "## Bundling 64 MiB" ""
"$examples/bundle_bench"
say "" "## Collector, durable" ""
"$examples/ingest_bench"
pages
fleet
replay
