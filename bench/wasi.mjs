// Runs a program that is compiled for wasm32-wasip1 in Node.js, and exits with its exit status:
// `node --no-warnings bench/wasi.mjs PROGRAM.wasm [ARGUMENTS]`.
import { readFile } from "node:fs/promises";
import process, { argv } from "node:process";
import { WASI } from "node:wasi";

const wasi = new WASI({ version: "preview1", args: argv.slice(2), returnOnExit: true });
const module = await WebAssembly.compile(await readFile(argv[2]));
process.exitCode = wasi.start(await WebAssembly.instantiate(module, wasi.getImportObject()));
