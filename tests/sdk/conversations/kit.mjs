// What the Node.js conversations share: a transcript on stdout, as in kit.py, and an agent for the proxy in HTTP_PROXY.
//
// Node's own HTTP client knows no proxy, and the SDKs leave it to the caller: both take an `http.Agent`. The agent here asks
// the proxy by the whole URL, as a proxy of plain HTTP is asked; https-proxy-agent and hpagent would open a tunnel even then.

import { randomBytes } from "node:crypto";
import { HttpProxyAgent } from "http-proxy-agent";

export const REGION = "us-east-1";

export function show(step, ...values) {
  console.log(step, ...values.map((value) => JSON.stringify(value) ?? "null"));
}

// As `meant` in kit.py: the value, or what it is changed to in a run that must miss.
export function meant(number, value, other) {
  return process.env.CHANGE === String(number) ? other : value;
}

function proxy() {
  const proxy = process.env.HTTP_PROXY;
  if (!proxy) {
    console.error("HTTP_PROXY is not set: run this under understudy");
    process.exit(2);
  }
  return proxy;
}

export function proxyAgent() {
  return new HttpProxyAgent(proxy(), { keepAlive: true });
}

// grpc-js would open a tunnel even for plain text: it is given the proxy's address as the backend's.
export function grpcTarget() {
  return new URL(proxy()).host;
}

export function freshSecret() {
  return randomBytes(20).toString("hex");
}

// Settings of an AWS client: the service's real host over plain HTTP, and access keys that are new in each run.
export function aws(service) {
  return {
    region: REGION,
    endpoint: `http://${service}.${REGION}.amazonaws.com`,
    credentials: { accessKeyId: `AKIA${randomBytes(8).toString("hex").toUpperCase()}`, secretAccessKey: freshSecret() },
    requestHandler: { httpAgent: proxyAgent() },
    maxAttempts: 1,
  };
}
