// Holds each resource in the given files and folders against its published schema, and fails where there is none for it.
// The patches of an EnvoyFilter are free by that schema: crates/istio/tests/mesh holds them against their meaning.
import { readFileSync, readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import Ajv from "ajv";
import { parseAllDocuments } from "yaml";

// Kustomize's own files, its patches, and what names resources without being any.
const SKIPPED = ["kustomization.yaml", "remove.yaml", "on-disk.yaml", "on-s3.yaml"];

function files(path) {
  if (!statSync(path).isDirectory()) return [path];
  return readdirSync(path).sort().filter((name) => !SKIPPED.includes(name)).flatMap((name) => files(join(path, name)));
}

// What the package of models doesn't have, after the fields of Istio's reference and `extensions/v1alpha1/traffic_extension.proto` of its API (1.30).
const text = { type: "string", minLength: 1 };
const labels = { type: "object", additionalProperties: { type: "string" } };
const closed = (properties, required = []) => ({ type: "object", additionalProperties: false, properties, required });
const trafficExtension = new Ajv().compile(
  closed(
    {
      apiVersion: { const: "extensions.istio.io/v1alpha1" },
      kind: { const: "TrafficExtension" },
      metadata: closed({ name: text, namespace: text, labels }, ["name"]),
      spec: closed(
        {
          selector: closed({ matchLabels: labels }),
          phase: { enum: ["UNSPECIFIED", "AUTHN", "AUTHZ", "STATS"] },
          priority: { type: "integer" },
          match: {
            type: "array",
            items: closed({ mode: { enum: ["UNDEFINED", "CLIENT", "SERVER", "CLIENT_AND_SERVER"] } }),
          },
          wasm: closed(
            {
              url: { type: "string", pattern: "^(oci|https?|file)://." },
              sha256: { type: "string", pattern: "^[a-f0-9]{64}$" },
              imagePullPolicy: { enum: ["UNSPECIFIED_POLICY", "IfNotPresent", "Always"] },
              imagePullSecret: text,
              pluginName: text,
              pluginConfig: { type: "object" },
              failStrategy: { enum: ["FAIL_CLOSE", "FAIL_OPEN", "FAIL_RELOAD"] },
            },
            ["url"],
          ),
        },
        ["wasm"],
      ),
    },
    ["apiVersion", "kind", "metadata", "spec"],
  ),
);

class TrafficExtension {
  constructor(resource) {
    this.resource = resource;
  }

  validate() {
    if (!trafficExtension(this.resource)) {
      throw new Error(trafficExtension.errors.map((error) => `${error.instancePath} ${error.message}`).join(", "));
    }
  }
}

// The patch of a pod template, as what it makes of the smallest Deployment.
function whole(resource) {
  if (resource.kind) return resource;
  const selector = { matchLabels: { app: "any" } };
  return { apiVersion: "apps/v1", kind: "Deployment", metadata: { name: "any" }, spec: { selector, ...resource.spec } };
}

async function model({ apiVersion, kind }) {
  if (kind === "TrafficExtension") return TrafficExtension;
  const istio = apiVersion.split("/")[0].endsWith("istio.io");
  const from = istio ? `@kubernetes-models/istio/${apiVersion}` : `kubernetes-models/${apiVersion}`;
  const found = (await import(from))[kind];
  if (!found) throw new Error(`${from} has no ${kind}`);
  return found;
}

let count = 0;
let failed = false;
for (const file of process.argv.slice(2).flatMap(files)) {
  for (const document of parseAllDocuments(readFileSync(file, "utf8"))) {
    if (document.errors.length > 0) throw new Error(`${file}: ${document.errors[0]}`);
    const resource = whole(document.toJS());
    try {
      const Model = await model(resource);
      new Model(resource).validate();
      count += 1;
    } catch (error) {
      failed = true;
      console.error(`${file}: ${resource.kind}: ${error.message}`);
    }
  }
}
console.log(`${count} resources are as their schemas say`);
if (failed || count === 0) process.exit(1);
