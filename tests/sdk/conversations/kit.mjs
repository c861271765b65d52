// What the Node.js conversations share: a transcript on stdout, as in kit.py, and an agent for the proxy in HTTPS_PROXY.
//
// Node's own HTTP client knows no proxy before Node.js 22.21 and 24.5, and the SDKs leave it to the caller: both take an `https.Agent`.

import { randomBytes } from "node:crypto";
import { HttpsProxyAgent } from "https-proxy-agent";

export const REGION = "us-east-1";

export function show(step, ...values) {
  console.log(step, ...values.map((value) => JSON.stringify(value) ?? "null"));
}

// As `meant` in kit.py: the value, or what it is changed to in a run that must miss.
export function meant(number, value, other) {
  return process.env.CHANGE === String(number) ? other : value;
}

export function proxyAgent() {
  const proxy = process.env.HTTPS_PROXY;
  if (!proxy) {
    console.error("HTTPS_PROXY is not set: run this under understudy");
    process.exit(2);
  }
  return new HttpsProxyAgent(proxy, { keepAlive: true });
}

export function freshSecret() {
  return randomBytes(20).toString("hex");
}

// Settings of an AWS client: access keys that are new in each run.
export function aws() {
  return {
    region: REGION,
    credentials: { accessKeyId: `AKIA${randomBytes(8).toString("hex").toUpperCase()}`, secretAccessKey: freshSecret() },
    requestHandler: { httpsAgent: proxyAgent() },
    maxAttempts: 1,
  };
}
