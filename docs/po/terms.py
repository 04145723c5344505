#!/usr/bin/env python3
"""One thing has one word: compares the Spanish texts with terms.md.

    docs/po/terms.py check        fails where a term is translated otherwise
    docs/po/terms.py --self-test  plants a wrong word of each kind, sees it found

The texts are those of es.po, of pages.es.json, of the lab's words, of README.es.md,
of the pictures, and what programs and scripts print, each beside its English.
terms.md says what its cells mean.
"""

import ast
import json
import pathlib
import re
import sys
import tomllib

ROOT = pathlib.Path(__file__).resolve().parents[2]
TERMS = ROOT / "docs/po/terms.md"
# What only the English programs print.
PRINTED = re.compile(
    r"`[^`]*(?:\b(?:closed|died): |\b(?:sent|received) \d|listening on|more byte)"
)
# In a program both languages stand side by side, as two strings.
RUST = re.compile(
    r'"((?:[^"\\]|\\.)*)"\)?,\s*(?:format!\(\s*)?"((?:[^"\\]|\\.)*)"'
)
SHELL = re.compile(
    r"""(?:pick|say|headline|conclude|paragraph|mistake|option\ \S+)\s+(?:\\\n\s*)?
    (['"])((?:(?!\1).)*)\1\s+(?:\\\n\s*)?(['"])((?:(?!\3).)*)\3""",
    re.S | re.X,
)
# Code and the addresses of links are not words.
CODE = re.compile(r"`[^`]*`|\]\([^)]*\)|<[^>]*>|\{#[^}]*\}")


def text(path):
    """What a file of the project says."""
    return (ROOT / path).read_text(encoding="utf-8")


def pattern(words, plural="(?:s|es)?"):
    """Finds any of these words, in any form that `*` allows."""
    parts = [
        re.escape(word).replace(r"\*", r"\w*").replace(r"\ ", r"\s+") + plural
        for word in words
    ]
    # `_` is a mark of emphasis here, and no letter.
    return re.compile(rf"(?<![^\W_])(?<!-)(?:{'|'.join(parts)})(?!-|[^\W_])", re.I)


def cells(line):
    """The cells of a row of a table."""
    return [cell.strip() for cell in line.strip().strip("|").split("|")]


def words(cell):
    """The words of a cell."""
    return [word for word in map(str.strip, cell.split(";")) if word]


class Term:
    """A row: what its English asks of the Spanish, and what it forbids."""

    def __init__(self, english, spanish, wrong):
        self.name = words(english)[0]
        self.english = pattern(words(english))
        self.asked = words(spanish)
        self.spanish = None if "…" in self.asked else pattern(self.asked)
        self.wrong = []
        for word in words(wrong):
            word, unless = re.fullmatch(r"(.*?)(?: \((.*)\))?", word).groups()
            unless = pattern(unless.split(", "), "") if unless else None
            self.wrong.append((word, pattern([word]), unless))

    def faults(self, english, spanish):
        """What is wrong with one translation."""
        asked = self.spanish and self.english.search(CODE.sub(" ", english))
        if asked and not self.spanish.search(spanish):
            yield f"no '{self.asked[0]}' for '{self.name}'"
        plain = CODE.sub(" ", spanish)
        for word, wrong, unless in self.wrong:
            if wrong.search(plain) and not (unless and unless.search(english)):
                yield f"'{word}' is no word for '{self.name}'"


def read():
    """The terms, and the beginnings of the messages that are right."""
    terms, right, part = [], [], ""
    for line in text(TERMS).splitlines():
        if line.startswith("## "):
            part = line[3:]
        elif line.startswith("|") and not re.match(r"\|(-|.*\bwhy\b.*$)", line):
            row = cells(line)
            if part == "Right all the same":
                right.append(row[0])
            elif row[0] != "English":
                terms.append(Term(*row[:3]))
    return terms, right


def pairs(english, spanish):
    """The texts of two tables that have the same keys."""
    for key, one in english.items():
        other = spanish[key]
        yield from [(one, other)] if isinstance(one, str) else pairs(one, other)


def messages():
    """Each English text with its Spanish one, and where it is from."""
    pair, half = ["", ""], 0
    lines = text("docs/po/es.po").splitlines()
    for line in [*lines, 'msgid ""']:
        key = re.match(r'(msgid|msgstr|(?=")) ?(".*")', line)
        if not key:
            continue
        if key[1] == "msgid":
            yield "es.po", *pair
            pair = ["", ""]
        half = {"msgid": 0, "msgstr": 1}.get(key[1], half)
        pair[half] += ast.literal_eval(key[2])
    for english, spanish in json.loads(text("docs/po/pages.es.json")).items():
        yield "pages.es.json", english, spanish
    tables = [
        tomllib.loads(text(f"scripts/lab/words/{language}.toml"))
        for language in ("en", "es")
    ]
    for english, spanish in pairs(*tables):
        yield "words/es.toml", english, spanish
    pages = [
        re.split(r"\n\s*\n", text(name).strip())
        for name in ("README.md", "README.es.md")
    ]
    if len(pages[0]) != len(pages[1]):
        sys.exit("README.es.md has not the paragraphs of README.md")
    for english, spanish in zip(*pages):
        yield "README.es.md", english, spanish
    for program in sorted(ROOT.glob("*/src/**/*.rs")):
        source = program.read_text(encoding="utf-8").split("#[cfg(test)]\nmod")[0]
        # A string goes on in the next line behind a backslash.
        for pair in RUST.findall(re.sub(r"\\\n\s*", "", source)):
            # A message has more than one word; a table of names has not.
            if all(" " in words for words in pair):
                yield program.name, *pair
    for script in sorted(ROOT.glob("scripts/*.sh")):
        for _, one, _, other in SHELL.findall(script.read_text(encoding="utf-8")):
            yield script.name, one, other
    for picture in sorted((ROOT / "docs/src/pictures").glob("*.es.svg")):
        other = picture.with_name(picture.name.replace(".es.svg", ".svg"))
        yield picture.name, *(
            " ".join(re.findall(r">([^<>]+)<", text(path)))
            for path in (other, picture)
        )


def faults(terms, right, texts):
    """All that is wrong, and the exceptions that nothing needs."""
    wrong, used = [], set()
    for place, english, spanish in texts:
        # The head of es.po has no English.
        found = [] if not english else [
            fault for term in terms for fault in term.faults(english, spanish)
        ]
        if printed := PRINTED.search(spanish):
            found.append(f"the Spanish program prints no {printed[0]}")
        excused = [begin for begin in right if english.startswith(begin)]
        if found and excused:
            used.update(excused)
        elif found:
            begin = " ".join(english.split())[:70]
            wrong.append(f"{place}: {begin}: {'; '.join(found)}")
    wrong += [f"terms.md: nothing is excused by: {b}" for b in right if b not in used]
    return wrong


PLANTED = (
    ("a line in English", "`died: SIGSEGV`", "Dice `died: SIGSEGV`.", "prints no"),
    ("a missing term", "The handshake ends.", "El acuerdo termina.", "no 'handshake'"),
    ("a wrong word", "The kernel waits.", "El kernel o núcleo espera.", "'núcleo' is no"),
    ("a wrong word in its plural", "Kernels.", "Kernels, núcleos.", "'núcleos' is no"),
    ("a wrong stem", "It is created.", "Se bifurcaron.", "'bifurc*' is no"),
    ("a wrong word, excused by a long word", "Hardcore.", "Núcleo.", "'núcleo' is no"),
)
GOOD = (
    ("It prints `sent 5 bytes`.", "Imprime `enviados 5 bytes`."),
    ("Two cores.", "Dos núcleos."),
    ("In `kernel`.", "En ese lugar."),
    ("Race conditions and pools.", "Condiciones de carrera y pools."),
)


def self_test():
    """Sees each fault found, and none where there is none."""
    terms, _ = read()
    for name, english, spanish, says in PLANTED:
        found = faults(terms, [], [("here", english, spanish)])
        if not any(says in fault for fault in found):
            sys.exit(f"{name} is not found: {found}")
        print(f"found: {name}")
    for english, spanish in GOOD:
        if found := faults(terms, [], [("here", english, spanish)]):
            sys.exit(f"found where there is nothing: {found}")
    if not faults(terms, ["No such message"], []):
        sys.exit("an exception that nothing needs is not found")
    print("found: an exception that nothing needs")


def main():
    """Checks all texts, or this check."""
    if sys.argv[1:] == ["--self-test"]:
        self_test()
    elif sys.argv[1:] == ["check"]:
        wrong = faults(*read(), messages())
        if wrong:
            sys.exit("\n".join(wrong) + f"\n{len(wrong)}; terms.md has the words")
    else:
        sys.exit(__doc__)


if __name__ == "__main__":
    main()
