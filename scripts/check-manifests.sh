#!/bin/sh
# Checks the resources in envoy/istio against the published schemas of Istio and Kubernetes.
# scripts/setup-schemas.sh installs the schemas.
set -eu
. "$(dirname "$0")/lib.sh"

[ -f tests/schemas/node_modules/.stamp ] || fail "the schemas are missing: run scripts/setup-schemas.sh first"
node tests/schemas/validate.mjs envoy/istio
