// Holds each resource in the given files and folders against its published schema, and fails where there is none for it.
// The patches of an EnvoyFilter are free by that schema: crates/istio/tests/mesh holds them against their meaning.
import { readFileSync, readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { parseAllDocuments } from "yaml";

// Kustomize's own files, its patches, and what names resources without being any.
const SKIPPED = ["kustomization.yaml", "remove.yaml", "on-disk.yaml", "on-s3.yaml"];

function files(path) {
  if (!statSync(path).isDirectory()) return [path];
  return readdirSync(path).sort().filter((name) => !SKIPPED.includes(name)).flatMap((name) => files(join(path, name)));
}

async function model({ apiVersion, kind }) {
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
    const resource = document.toJS();
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
