#!/usr/bin/env python3
"""Checks that files of a crate don't import each other in a circle of more than three files.

    check_circles.py            checks every crate
    check_circles.py CRATE…     checks the crates in these folders

A reader of a circle can't finish any of its files before the others. A circle of two or three is a
concept in a few files, such as a module and its parts, and is allowed.

File A imports file B if A has a `use` or a path that leads to an item of B, also if B only
re-exports the item. Tests are not read. Changes nothing.
"""

import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LARGEST = 3

Module = tuple[str, ...]

# Comments and literals: paths in them are no imports.
IGNORED = re.compile(
    r"""//[^\n]*|/\*.*?\*/|(?<!\w)b?r(#*)".*?"\1|"(?:\\.|[^"\\])*"|'(?:\\.[^']*|[^'\\])'""", re.S
)
INLINE = re.compile(r"(#\[cfg\(test\)\]\s*)?(?:pub(?:\([^)]*\))?\s+)?\bmod\s+(\w+)\s*\{")
USE = re.compile(r"\buse\s+([^;]+);")
VISIBILITY = re.compile(r"\bpub\(in [^)]*\)")
# A path from a keyword, or from the name of a module that the file declares.
PATH = re.compile(r"(?<![:\w])([a-z_]\w*(?:::\w+)+)")


def files(crate: Path) -> dict[Module, Path]:
    """The source files of a crate by the path of their module, without tests."""
    source = crate / "src"
    found = {}
    for path in sorted(source.rglob("*.rs")):
        module = path.relative_to(source).with_suffix("").parts
        is_root = module == ("lib",) or module == ("main",) and not (source / "lib.rs").exists()
        if is_root or module[-1] == "mod":
            module = module[:-1]
        if "tests" not in module:
            found[module] = path
    return found


def split_inline(text: str) -> tuple[str, list[tuple[str, str]]]:
    """Separates modules inside of a file, as (name, text), from the rest. Leaves out tests."""
    modules = []
    while start := INLINE.search(text):
        end, depth = start.end(), 1
        while depth and end < len(text):
            depth += {"{": 1, "}": -1}.get(text[end], 0)
            end += 1
        if not start[1]:
            modules.append((start[2], text[start.end() : end - 1]))
        text = text[: start.start()] + text[end:]
    return text, modules


def expand(tree: str, prefix: Module = ()) -> list[Module]:
    """The paths of a `use`: `a::{b, c::d}` is `a::b` and `a::c::d`."""
    head, brace, rest = tree.strip().partition("{")
    names = tuple(name.strip() for name in head.split(" as ")[0].split("::") if name.strip())
    if not brace:
        return [prefix + names] if names else []
    paths, depth, part = [], 0, ""
    for char in rest[: rest.rindex("}")] + ",":
        depth += {"{": 1, "}": -1}.get(char, 0)
        if char == "," and not depth:
            paths += expand(part, prefix + names)
            part = ""
        else:
            part += char
    return paths


def imports(text: str, module: Module, known: dict[Module, Path]) -> set[Module]:
    """The modules with a file that a module's text leads to, itself included."""
    text, inline = split_inline(text)
    found = set()
    for name, inner in inline:
        found |= imports(inner, (*module, name), known)
    text = VISIBILITY.sub("", text)
    paths = [path for tree in USE.findall(text) for path in expand(tree)]
    paths += [tuple(path.split("::")) for path in PATH.findall(USE.sub("", text))]
    for path in paths:
        if path[0] == "crate":
            target = path[1:]
        elif path[0] in ("self", "super"):
            base, rest = module, path
            while rest and rest[0] in ("self", "super"):
                base, rest = base[: len(base) - (rest[0] == "super")], rest[1:]
            target = base + rest
        elif (*module, path[0]) in known:
            target = module + path
        else:
            continue
        while target and target not in known:
            target = target[:-1]
        found.add(target)
    return found


def circles(graph: dict[Module, set[Module]]) -> list[list[Module]]:
    """The sets of modules that reach each other, by Tarjan's algorithm."""
    order, lowest, stack, found = {}, {}, [], []

    def visit(module: Module) -> None:
        order[module] = lowest[module] = len(order)
        stack.append(module)
        for other in sorted(graph[module]):
            if other not in order:
                visit(other)
            if other in stack:
                lowest[module] = min(lowest[module], lowest[other])
        if lowest[module] == order[module]:
            at = stack.index(module)
            found.append(sorted(stack[at:]))
            del stack[at:]

    for module in sorted(graph):
        if module not in order:
            visit(module)
    return found


def main() -> int:
    crates = [Path(name).resolve() for name in sys.argv[1:]]
    crates = crates or [ROOT / "filter", *sorted(path.parent for path in ROOT.glob("crates/*/Cargo.toml"))]
    file_count, import_count, wrong = 0, 0, []
    for crate in crates:
        known = files(crate)
        graph = {}
        for module, path in known.items():
            text = IGNORED.sub(" ", path.read_text(encoding="utf-8"))
            graph[module] = (imports(text, module, known) & known.keys()) - {module}
        file_count += len(known)
        import_count += sum(map(len, graph.values()))
        names = {module: path.relative_to(crate).as_posix() for module, path in known.items()}
        for circle in circles(graph):
            if len(circle) <= LARGEST:
                continue
            wrong.append(f"{crate.name}: {len(circle)} files import each other in a circle:")
            for module in circle:
                others = sorted(names[other] for other in graph[module] & set(circle))
                wrong.append(f"    {names[module]} imports {', '.join(others)}")
    if wrong:
        print("\n".join(wrong))
        print("Move what the files share into a file that imports none of them, and import it from there.")
        return 1
    if not import_count:
        print("error: found no imports, so that nothing was checked")
        return 1
    print(f"{file_count} files, {import_count} imports: no circle has more than {LARGEST} files")
    return 0


if __name__ == "__main__":
    sys.exit(main())
