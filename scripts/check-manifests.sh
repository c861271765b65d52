#!/bin/sh
# Holds the resources in envoy/istio against the published schemas of Istio and Kubernetes.
set -eu
. "$(dirname "$0")/lib.sh"

missing=
have node || missing="$missing nodejs"
have npm || missing="$missing npm"
# shellcheck disable=SC2086  # one word for each package
[ -z "$missing" ] || packages "Node.js with npm" $missing
folder=tests/schemas
stamp=$(cksum <"$folder/package-lock.json")
if [ "$(cat "$folder/node_modules/.stamp" 2>/dev/null)" != "$stamp" ]; then
    say "installing the schemas of Istio and Kubernetes into $folder/node_modules"
    (cd "$folder" && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error >/dev/null) ||
        fail "npm could not install $folder/package-lock.json: see its message"
    printf '%s' "$stamp" >"$folder/node_modules/.stamp"
fi
node "$folder/validate.mjs" envoy/istio
