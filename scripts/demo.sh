#!/bin/sh
# The main job on the sample service: record it against its backends, stop them, answer from the snapshot, replay, show the reports.
# `demo.sh FOLDER` keeps the snapshot there; the default is target/demo/payment, made anew each time.
set -eu
. "$(dirname "$0")/lib.sh"

work=target/demo
snapshot=${1:-$work/payment}
python=.venv/bin/python
mkdir -p "$work"

say "--- building the understudy command"
cargo build --quiet --locked --release -p understudy-cli
understudy=${CARGO_TARGET_DIR:-target}/release/understudy

say "--- starting the five backends: DynamoDB (moto), Stripe (localstripe), HubSpot, Plaid, Google"
rm -f "$work/ports.json"
$python examples/payment/backends/backends.py --ports-file "$work/ports.json" &
backends=$!
trap 'kill $backends 2>/dev/null || true' EXIT
trap 'exit 130' INT TERM
while [ ! -e "$work/ports.json" ]; do
    kill -0 $backends 2>/dev/null || fail "the backends did not start: see above"
    sleep 0.1
done

# Where the service listens, and where those who call it are recorded.
ports=$($python -c '
import socket
all = [socket.create_server(("127.0.0.1", 0)) for _ in range(2)]
print(*(one.getsockname()[1] for one in all))')
app=${ports% *} inbound=${ports#* }

say "--- recording: understudy record -o $snapshot --inbound $inbound=$app --map … -- python examples/payment/run.py"
# One word for each argument: there are no spaces in hosts and URLs.
# shellcheck disable=SC2046
"$understudy" record --force -o "$snapshot" --inbound "$inbound=$app" \
    $($python examples/payment/backends/backends.py --print-maps "$work/ports.json") \
    -- $python examples/payment/run.py --port "$app" --through "127.0.0.1:$inbound" >"$work/recorded.txt"
cat "$work/recorded.txt"

say "--- stopping the backends"
kill $backends
wait $backends 2>/dev/null || true

say "--- the same again without them: understudy respond $snapshot -- python examples/payment/run.py"
"$understudy" respond "$snapshot" --verbose --report "$work/report.json" -- $python examples/payment/run.py >"$work/responded.txt"
cat "$work/responded.txt"
cmp "$work/recorded.txt" "$work/responded.txt" || fail "the service saw something else than when it was recorded"

say "--- the service alone, driven by its recorded requests: understudy replay $snapshot -- python examples/payment/payment.py"
"$understudy" replay "$snapshot" --speed max --ready /healthz --report "$work/replay.json" --html "$work/replay.html" \
    -- $python examples/payment/payment.py --made-up-credentials --port "$app"

say "--- the service said the same each time; the snapshot is in $snapshot, the reports are $work/report.json and $work/replay.html"
