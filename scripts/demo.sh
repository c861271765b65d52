#!/bin/sh
# Shows the main job on the sample service: records it against its backends, stops them, answers
# from the snapshot, replays, and shows the reports. `demo.sh FOLDER` writes the snapshot to FOLDER;
# the default is target/demo/payment, which each run replaces.
set -eu
. "$(dirname "$0")/lib.sh"

started=$(date +%s)
step() { printf '\n--- [%s s] %s\n' $(($(date +%s) - started)) "$1"; }

say "The demo records a payment service with five backends, stops the backends, and lets Understudy answer instead of them."
say "The first run installs Envoy and Python packages (about a minute) and compiles Understudy (some minutes on two cores)."
say "Later runs take about half a minute."

work=target/demo
snapshot=${1:-$work/payment}
python=.venv/bin/python

step "1/7 set-up: Envoy and the sample's SDKs (a minute, once)"
sh scripts/setup.sh
mkdir -p "$work"

# The profile `demo` compiles quickly; `make build` optimises.
step "2/7 compiling the understudy command (some minutes, once)"
cargo build --locked --profile demo -p understudy-cli
understudy=${CARGO_TARGET_DIR:-target}/demo/understudy

step "3/7 starting the five backends: DynamoDB (moto), Stripe (localstripe), HubSpot, Plaid, Google (seconds)"
rm -f "$work/ports.json"
$python examples/payment/backends/backends.py --ports-file "$work/ports.json" &
backends=$!
trap 'kill $backends 2>/dev/null || true' EXIT
trap 'exit 130' INT TERM
while [ ! -e "$work/ports.json" ]; do
    kill -0 $backends 2>/dev/null || fail "the backends did not start: see above"
    sleep 0.1
done

# Ports of the service and of the listener that records its clients.
ports=$($python -c '
import socket
all = [socket.create_server(("127.0.0.1", 0)) for _ in range(2)]
print(*(one.getsockname()[1] for one in all))')
app=${ports% *} inbound=${ports#* }

step "4/7 recording (seconds): understudy record -o $snapshot --inbound $inbound=$app --map … -- python examples/payment/run.py"
# One word for each argument: hosts and URLs contain no spaces.
# shellcheck disable=SC2046
"$understudy" record --force -o "$snapshot" --inbound "$inbound=$app" \
    $($python examples/payment/backends/backends.py --print-maps "$work/ports.json") \
    -- $python examples/payment/run.py --port "$app" --through "127.0.0.1:$inbound" >"$work/recorded.txt"
cat "$work/recorded.txt"

step "5/7 stopping the backends"
kill $backends
wait $backends 2>/dev/null || true

step "6/7 the same without backends (seconds): understudy respond $snapshot -- python examples/payment/run.py"
"$understudy" respond "$snapshot" --verbose --report "$work/report.json" -- $python examples/payment/run.py >"$work/responded.txt"
cat "$work/responded.txt"
cmp "$work/recorded.txt" "$work/responded.txt" || fail "the service saw other answers than when it was recorded"

step "7/7 the service alone, driven by its recorded requests (seconds): understudy replay $snapshot -- python examples/payment/payment.py"
"$understudy" replay "$snapshot" --speed max --ready /healthz --report "$work/replay.json" --html "$work/replay.html" \
    -- $python examples/payment/payment.py --made-up-credentials --port "$app"

step "done: the service behaved the same each time"
say "snapshot: $snapshot"
say "reports:  $work/report.json, $work/replay.html"
say "next:     make build compiles the optimised command, target/release/understudy"
