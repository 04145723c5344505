"""Whether README.md and README.es.md say the same: the same headings, commands,
tables, links, and names of files, steps and options; and whether what they
name is there.
"""

import itertools
import pathlib
import re

ROOT = pathlib.Path(__file__).resolve().parents[2]
# The sections of README.md that map the originals' steps to code, and whose.
SERVERS = {
    "## Threads": "threads-server",
    "## Multi-process": "process-server",
    "## Multiplexing": "mux-server",
}
# Differences that must be seen.
PLANTED = (
    ("\n## Test", "\n### Test"),
    ("cargo test", "cargo tests"),
    ("| `-q`, `--quiet` |", "| |"),
    ("| `-q`, `--quiet` |", "|"),
    ("(LICENSE-MIT)", "(LICENCE-MIT)"),
    ("`docs/python`", "`docs/pythons`"),
)


def text(name):
    """What a file of the project says."""
    return (ROOT / name).read_text(encoding="utf-8")


def skeleton(page):
    """What the two must share, the parts of one kind together, in order: the
    level of a heading, a line of a command, a row of a table by its columns
    and what is set as code in its cells, a path, the target of a link."""
    parts = []
    is_command = False
    above = ""
    for line in page.splitlines():
        if line.startswith("```"):
            is_command = not is_command
        if is_command:
            parts.append(("command", line))
            continue
        codes = re.findall("`([^`]*)`", line)
        parts += [("heading", marks) for marks in re.findall("^#+", line)]
        if line.startswith("|"):
            columns = line.replace("\\|", "").count("|") - 1
            begins = not above.startswith("|")
            parts.append(("row", (begins, columns, codes)))
        parts += [("path", code) for code in codes if re.search(r"/|\.rs", code)]
        parts += [("link", to) for to in re.findall(r"\]\(([^)]*)\)", line)]
        above = line
    return sorted(parts, key=lambda part: part[0])


def differences():
    """Where the two differ first, and what of a difference would not be seen."""
    # They link to one another, and each shows pictures and pages in its
    # language.
    names = "README.md", "README.es.md"
    one, other = (skeleton(text(it).replace(".es.", ".")) for it in names)
    for parts in itertools.zip_longest(one, other):
        if parts[0] != parts[1]:
            yield f"README.md has {parts[0]}, README.es.md {parts[1]}"
            break
    for begin, changed in PLANTED:
        page = text("README.md")
        if skeleton(page) == skeleton(page.replace(begin, changed, 1)):
            yield f"not seen: {changed.strip()} instead of {begin.strip()}"


def missing():
    """What is named and not there."""
    for name in "README.md", "README.es.md", "CONTRIBUTING.md":
        for kind, what in skeleton(text(name)):
            path = str(what).split(" ")[0]
            is_path = kind == "path" and re.match("(?!--).*/", path)
            is_here = (is_path or kind == "link") and ":" not in path
            if is_here and not (ROOT / path).exists():
                yield f"{name}: there is no {path}"


def uncited():
    """The steps that README.md cites and that are no banners."""
    cited = 0
    server = None
    for line in text("README.md").splitlines():
        if line.startswith("## "):
            server = SERVERS.get(line)
        cells = line.split("|", 2)[2:] if server and line.startswith("| ") else []
        for file, *steps in re.findall(
            r"`(main|client|echo)\.rs` ([\w.]+)(?: to ([\w.]+))?", "".join(cells)
        ):
            folder = "common" if file == "echo" else server
            path = f"{folder}/src/{file}.rs"
            banners = re.findall(r"^\s*// (\d[\w.]*?)\.? [A-Z]", text(path), re.M)
            for step in filter(None, steps):
                cited += 1
                if step not in banners:
                    yield f"README.md: {path} has no banner {step}"
    if cited < 28:
        yield f"README.md cites {cited} steps only"


def faults():
    """All that is wrong with them."""
    return [*differences(), *missing(), *uncited()]
