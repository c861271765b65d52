#!/usr/bin/env python3
"""Programs and packages that the test suites use, read from the suites' sources.

    suite_needs.py list        prints the programs, one a line
    suite_needs.py run         runs each program and loads each package; exits with 1 if one is missing

scripts/check-setup.sh runs it on a machine that has nothing but what the setup scripts install. Changes nothing.
"""

import ast
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PYTHON = ROOT / ".venv/bin/python"

# A program where a test starts it: `Command::new("ps")`, `scene.program("tar", …)`,
# `scene.check("curl", &[…])`, `run(&["ip", …])`.
STARTED = re.compile(
    r'(?:Command::new\(|\bprogram\(|\binstalled\(|\brun\((?:true|false),|\brun\(&\[|\.check\((?="[\w.-]+",\s*&\[))\s*"([a-z][\w.-]*)"'
)
IN_VENV = re.compile(r"\.venv/bin/([\w-]+)")
NODE_SCRIPT = re.compile(r"\btests/[\w/-]*node_modules/[\w./-]+\.js\b")
NODE_IMPORT = re.compile(r'(?:\bfrom|\bimport|\brequire\(|\bimport\()\s*"([^".][^"]*)"')

# Programs that a test names, but not where it starts them: in a list, in a shell script, or as part
# of a longer command.
NAMED = ["faketime", "ip6tables", "ip6tables-save", "iptables", "iptables-save", "nsenter", "setpriv"]
# Arguments with which a program shows that it runs, where they aren't `--version`.
PROBES = {
    "ip": ["-V"],
    "java": ["--list-modules"],
    "keytool": ["-help"],
    "localstripe": ["--help"],
    "moto_server": ["--help"],
    "openssl": ["version"],
    "sh": ["-c", "true"],
    "true": [],
}
# Renders a page in the browser that tests/browser/run.mjs takes, with the library that drives it
# there.
BROWSER = """
import { chromium } from "playwright-core";
import { access } from "node:fs/promises";
const names = [process.env.CHROMIUM, "/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"];
const there = await Promise.all(names.map((name) => name && access(name).then(() => name, () => undefined)));
const browser = await chromium.launch({ executablePath: there.find(Boolean), args: process.getuid() ? [] : ["--no-sandbox"] });
const page = await browser.newPage();
await page.setContent("<p>rendered</p>");
const { width } = await page.locator("p").boundingBox();
if (!(await page.evaluate(() => document.body.innerText)).includes("rendered") || !width) throw new Error("the page is empty");
await browser.close();
"""


def sources(*suffixes: str) -> dict[Path, str]:
    """Sources of the suites: what is below a folder `tests`, the testkit, and the unit tests of the crates."""
    found = {}
    for top in ("tests", "crates", "examples"):
        for path in sorted((ROOT / top).rglob("*")):
            inside = path.relative_to(ROOT)
            if path.suffix not in suffixes or not path.is_file() or {"node_modules", "target", "bench"} & set(inside.parts):
                continue
            text = path.read_text(encoding="utf-8")
            if path.suffix == ".rs" and "src" in inside.parts and "testkit" not in inside.parts and not is_test(path):
                _, _, text = text.partition("#[cfg(test)]")
            found[inside] = text
    return found


def is_test(path: Path) -> bool:
    return path.stem == "tests" or "tests" in path.parts


def programs() -> dict[str, str]:
    """Each program with the first file that names it."""
    found: dict[str, str] = {}
    texts = sources(".rs", ".sh")
    for path, text in texts.items():
        for name in STARTED.findall(text):
            found.setdefault(name, str(path))
    for name in NAMED:
        where = next((path for path, text in texts.items() if re.search(rf"(?<![\w-]){name}(?![\w-])", text)), None)
        if where is None:
            sys.exit(f"error: no suite names {name} any more: take it out of NAMED in scripts/suite_needs.py")
        found.setdefault(name, str(where))
    return found


def venv_programs() -> dict[str, str]:
    return {name: str(path) for path, text in sources(".rs").items() for name in IN_VENV.findall(text)}


def python_modules() -> dict[str, str]:
    """Modules that the suites' Python files import from packages: neither the standard library's nor the repository's own."""
    found: dict[str, str] = {}
    sample = {path.stem for path in (ROOT / "examples/payment").iterdir()}
    for path, text in sources(".py").items():
        for node in ast.walk(ast.parse(text)):
            names = []
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
                names = [node.module]
            for name in names:
                top = name.partition(".")[0]
                beside = any((ROOT / path.parent / own).exists() for own in (f"{top}.py", top))
                package = (ROOT / path.parent.parent / top / "__init__.py").exists()
                if not beside and not package and top not in sample and top not in sys.stdlib_module_names:
                    # `google` is shared by several packages: the whole name tells which.
                    found.setdefault(name if top == "google" else top, str(path))
    return found


def node_modules() -> dict[tuple[Path, str], str]:
    """Packages of Node.js that the suites import, each with the folder that has its package.json."""
    found = {}
    for path, text in sources(".mjs", ".js").items():
        folder = next((parent for parent in path.parents if (ROOT / parent / "package.json").exists()), None)
        for name in NODE_IMPORT.findall(text):
            if folder is not None and not name.startswith("node:"):
                found.setdefault((folder, name), str(path))
    return found


class Probe:
    """Runs what is needed, and remembers what failed."""

    def __init__(self) -> None:
        self.ran = 0
        self.failed: list[str] = []

    def run(self, what: str, where: str, command: list[str], folder: Path = ROOT) -> None:
        self.ran += 1
        try:
            done = subprocess.run(command, cwd=folder, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120)
            problem = "" if done.returncode == 0 else (done.stderr or done.stdout).strip()[-600:] or f"exit status {done.returncode}"
        except (OSError, subprocess.TimeoutExpired) as error:
            problem = str(error)
        if problem:
            self.failed.append(f"{what}, which {where} uses: {problem}")


def run() -> int:
    probe = Probe()
    for name, where in programs().items():
        path = shutil.which(name)
        if path is None:
            probe.ran += 1
            probe.failed.append(f"{name}, which {where} starts, isn't installed")
            continue
        probe.run(name, where, [path, *PROBES.get(name, ["--version"])])
    for name, where in venv_programs().items():
        if name != "python":
            probe.run(f".venv/bin/{name}", where, [str(ROOT / ".venv/bin" / name), *PROBES.get(name, ["--version"])])
    modules = python_modules()
    for name, where in modules.items():
        probe.run(f"Python's {name}", where, [str(PYTHON), "-c", f"import {name}"])
    for (folder, name), where in node_modules().items():
        probe.run(f"Node's {name}", where, ["node", "--input-type=module", "-e", f"await import({name!r})"], ROOT / folder)
    for path in sorted((ROOT / "tests").glob("*/package.json")):
        for name in json.loads(path.read_text(encoding="utf-8"))["dependencies"]:
            listed = f"node_modules/{name}/package.json"
            probe.run(f"Node's {name}", str(path.relative_to(ROOT)), ["node", "-e", f"require('fs').accessSync({listed!r})"], path.parent)
    scripts = {script: str(path) for path, text in sources(".rs").items() for script in NODE_SCRIPT.findall(text)}
    for script, where in scripts.items():
        probe.run(script, where, ["node", str(ROOT / script), "--version"])
    probe.run("a page in Chromium", "tests/browser/run.mjs", ["node", "--input-type=module", "-e", BROWSER], ROOT / "tests/browser")
    for problem in probe.failed:
        print(f"missing: {problem}", file=sys.stderr)
    print(f"{probe.ran} programs and packages of the suites: {len(probe.failed)} missing")
    return 1 if probe.failed else 0


def main() -> int:
    if sys.argv[1:] == ["list"]:
        print("\n".join(sorted(programs())))
        return 0
    if sys.argv[1:] == ["run"]:
        return run()
    sys.exit(__doc__)


if __name__ == "__main__":
    sys.exit(main())
