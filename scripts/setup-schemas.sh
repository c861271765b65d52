#!/bin/sh
# Installs what check-manifests.sh needs: Node.js with npm, and the schemas of Istio and Kubernetes
# in tests/schemas/node_modules. Leaves alone what is installed already.
set -eu
. "$(dirname "$0")/lib.sh"

node_packages tests/schemas 18 "the schemas of Istio and Kubernetes"
