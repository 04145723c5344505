#!/usr/bin/env python3
"""The pages outside the book, in Spanish.

    docs/po/pages.py write    writes SECURITY.es.md, docs/faults.es.md, …
    docs/po/pages.py check    fails where one is not what would be written, or
                              where the READMEs differ: readmes.py

The English pages are the source; two of them are written by test runs. What a
paragraph, a heading, an item or a cell says is looked up in pages.es.json,
with `#` for each number, which is carried over. What is missing there is an
error, so a page cannot fall behind unnoticed.
"""

import json
import pathlib
import re
import sys

import readmes

ROOT = pathlib.Path(__file__).resolve().parents[2]
TABLE = ROOT / "docs/po/pages.es.json"
PAGES = ("SECURITY.md", "docs/faults.md", "docs/promises.md", "docs/soak.md")
# A number, or the name of a processor: `2 × NAME`.
NUMBER = re.compile(r"(?<=× ).+|(?<![\w.:-])\d(?:[\w.,-]*\w)?")
# The tests that hold a promise, behind its sentence.
TESTS = re.compile(r"(?<=\.) `[\w:-]+`(?:, `[\w:-]+`)*$")


class Translation:
    """The table, and what was not found in it or not used of it."""

    def __init__(self):
        self.table = json.loads(TABLE.read_text(encoding="utf-8"))
        self.missing = []
        self.used = set()

    def text(self, english):
        """The Spanish of a text; a name or a number is its own."""
        key = NUMBER.sub("#", english)
        if key in self.table:
            self.used.add(key)
            numbers = iter(NUMBER.findall(english))
            return re.sub("#", lambda _: next(numbers), self.table[key])
        plain = re.sub(r"`[^`]*`", "", english)
        if len(re.findall(r"(?<![\w-])[a-z]{2,}(?![\w-])", plain)) > 1:
            self.missing.append(key)
        return english

    def page(self, text):
        """A page, block by block."""
        out = []
        paragraph = []

        def flush():
            if paragraph:
                first = re.match(r"- |", paragraph[0])[0]
                joined = " ".join(line.strip() for line in paragraph)
                text = TESTS.sub("", joined[len(first):])
                names = joined[len(first) + len(text):]
                out.append(first + self.text(text) + names)
                paragraph.clear()

        for line in text.splitlines():
            if line.startswith("    ") and not paragraph:
                out.append(line)
            elif line.startswith("|"):
                flush()
                # Below its head, a single word is a name.
                is_head = not out[-1].startswith("|")
                cells = [cell.strip() for cell in line.strip("|").split("|")]
                if set("".join(cells)) <= set("-: "):
                    out.append(line)
                else:
                    texts = [
                        self.text(cell) if is_head or " " in cell else cell
                        for cell in cells
                    ]
                    out.append("| " + " | ".join(texts) + " |")
            elif line.startswith("#"):
                flush()
                marks, title = line.split(" ", 1)
                out.append(f"{marks} {self.text(title)}")
            elif not line.strip():
                flush()
                out.append("")
            else:
                if line.startswith("- "):
                    flush()
                paragraph.append(line)
        flush()
        return "\n".join(out) + "\n"


def main():
    """Writes or checks all pages."""
    if sys.argv[1:] not in (["write"], ["check"]):
        sys.exit(__doc__)
    translation = Translation()
    wrong = []
    for name in PAGES:
        source = ROOT / name
        target = source.with_suffix(".es.md")
        spanish = translation.page(source.read_text(encoding="utf-8"))
        if sys.argv[1] == "write":
            target.write_text(spanish, encoding="utf-8")
        elif not target.exists() or target.read_text("utf-8") != spanish:
            wrong.append(f"{target.relative_to(ROOT)} is not of today")
    wrong += [f"not translated: {key}" for key in translation.missing]
    stale = translation.table.keys() - translation.used
    wrong += [f"no longer said: {key}" for key in sorted(stale)]
    if wrong:
        sys.exit("\n".join(wrong) + f"\n{TABLE.name} has the words")
    if sys.argv[1] == "check" and (wrong := readmes.faults()):
        sys.exit("\n".join(wrong))


if __name__ == "__main__":
    main()
