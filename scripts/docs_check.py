#!/usr/bin/env python3
"""Checks the documents: every relative link leads to a file, every path written as code exists. Changes nothing."""

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
CODE = re.compile(r"`([^`\n]+)`")
FENCE = re.compile(r"^(```|~~~).*?^\1", re.M | re.S)
# A path of this repository, as opposed to a route, an option or a file that a user will have.
PATH = re.compile(r"^(?:crates|filter|envoy|scripts|examples|tests|docs|fuzz|bench|snapshots|\.ci)/[\w./-]+$")


def main() -> int:
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", "--", "*.md"],
        cwd=ROOT, check=True, capture_output=True, text=True,
    )
    documents = [ROOT / name for name in listed.stdout.split("\0") if name and (ROOT / name).exists()]
    wrong = []
    for document in documents:
        text = FENCE.sub("", document.read_text(encoding="utf-8"))
        for target in LINK.findall(text):
            path = target.split("#")[0]
            if path and "://" not in target and not target.startswith("mailto:") and not (document.parent / path).exists():
                wrong.append(f"{document.relative_to(ROOT)}: link to {target}, which isn't there")
        for code in CODE.findall(text):
            if PATH.match(code) and not (ROOT / code).exists() and not (document.parent / code).exists():
                wrong.append(f"{document.relative_to(ROOT)}: names {code}, which isn't there")
    print("\n".join(wrong) or f"{len(documents)} documents: all links and paths lead somewhere")
    return 1 if wrong or not documents else 0


if __name__ == "__main__":
    sys.exit(main())
