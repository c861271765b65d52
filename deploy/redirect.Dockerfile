# Redirects the connections of a pod's app to the Envoy beside it, and exits: for
# envoy/istio/https/own-envoy.yaml.
#   docker build -f deploy/redirect.Dockerfile -t understudy-redirect envoy
# The context is the folder envoy/.
FROM debian:12-slim
RUN apt-get update && apt-get install -y --no-install-recommends iptables && rm -rf /var/lib/apt/lists/*
COPY redirect.sh /redirect.sh
ENTRYPOINT ["sh", "/redirect.sh"]
