"""Reads a Python file from standard input, and prints its parts as JSON: the
fields of `Parts` in source.rs, or which line is wrong, and why.

`ast` is the language's own parser, and `tokenize` knows its comments.
"""

import ast
import io
import json
import sys
import tokenize

SKIPPED = {
    tokenize.COMMENT,
    tokenize.DEDENT,
    tokenize.ENCODING,
    tokenize.ENDMARKER,
    tokenize.INDENT,
    tokenize.NEWLINE,
    tokenize.NL,
}
DOCUMENTED = (
    ast.Module,
    ast.ClassDef,
    ast.FunctionDef,
    ast.AsyncFunctionDef,
)


# What is printed.
PARTS = {"tokens": [], "pieces": [], "units": [], "tests": []}


def add(part, **fields):
    """Adds one part."""
    PARTS[part].append(fields)


def docstring(node):
    """The statement that documents a module, a class or a function."""
    if isinstance(node, DOCUMENTED) and ast.get_docstring(node) is not None:
        return node.body[0]
    return None


def docstrings(tree):
    """The lines of each docstring, by the place where it begins."""
    found = (docstring(node) for node in ast.walk(tree))
    return {
        (node.lineno, node.col_offset): node.end_lineno
        for node in found
        if node is not None
    }


def comments_and_tokens(text, docs):
    """Finds the comments, docstrings among them, and all other tokens."""
    lines = text.splitlines()
    ended = 0
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        line, column = token.start
        place = line, len(lines[line - 1][:column].encode()) if column else 0
        if place in docs:
            ended = docs[place]
            for number in range(line, ended + 1):
                is_first = number == line
                words = lines[number - 1].strip()
                if is_first:
                    words = words.lstrip("rR").removeprefix('"""')
                words = words.removesuffix('"""')
                add("pieces", line=number, text=words, doc=True, apart=is_first)
        elif token.type == tokenize.COMMENT:
            words = token.string.lstrip("#").removeprefix(" ")
            is_apart = line == ended + 1
            add("pieces", line=line, text=words, doc=False, apart=is_apart)
        elif token.type not in SKIPPED:
            rows = {"start": line, "end": token.end[0] + 1}
            add("tokens", lines=rows, text=token.string)


def word_before(words, text, line):
    """The line of the last word like this at or before a line."""
    return max(at for at, word in words if word == text and at <= line)


def units(tree, text):
    """Finds what needs a comment."""
    readline = io.StringIO(text).readline
    words = [
        (token.start[0], token.string)
        for token in tokenize.generate_tokens(readline)
        if token.type == tokenize.NAME
        and not token.line[: token.start[1]].strip()
    ]
    elifs = {line for line, word in words if word == "elif"}

    def unit(kind, node, first, top=None, body=None, sole=False):
        # The line with the colon: comments may come before the first
        # statement, but the documentation is that statement.
        opens = None
        if kind == "Item":
            opens = body[0].lineno - 1
        elif kind == "Arm":
            opens = first
        last = body[-1].end_lineno if body else node.end_lineno
        # `try` says nothing itself: what follows its body begins anew.
        if isinstance(node, ast.Try):
            last = node.body[-1].end_lineno
        add(
            "units", kind=kind, top=top or first, line=first, last=last,
            open=opens, sole=sole, hands_on=hands_on(node),
        )

    def branch(word, body):
        if body and body[0].lineno not in elifs:
            first = word_before(words, word, body[0].lineno)
            if first < body[-1].end_lineno:
                unit("Branch", None, first, body=body)

    def visit(node, sole=False):
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            unit("Use", node, node.lineno)
        elif isinstance(node, DOCUMENTED[1:]):
            above = [mark.lineno for mark in node.decorator_list]
            top = min([node.lineno, *above])
            unit("Item", node, node.lineno, top=top, body=node.body)
        elif isinstance(node, ast.ExceptHandler):
            unit("Branch", node, node.lineno, body=node.body)
        elif isinstance(node, getattr(ast, "match_case", ())):
            unit("Arm", node, node.pattern.lineno, body=node.body)
        elif isinstance(node, ast.If) and node.lineno in elifs:
            unit("Branch", node, node.lineno, body=node.body)
        elif isinstance(node, ast.stmt):
            unit("Statement", node, node.lineno, sole=sole)
        # `orelse` of a value is no branch.
        is_block = isinstance(node, ast.stmt)
        branch("else", getattr(node, "orelse", []) if is_block else [])
        branch("finally", getattr(node, "finalbody", []))
        doc = docstring(node)
        body = getattr(node, "body", [])
        is_sole = isinstance(node, DOCUMENTED[2:]) and (
            len(body) - (doc is not None) == 1
        )
        for child in ast.iter_child_nodes(node):
            if child is not doc:
                visit(child, sole=is_sole and isinstance(child, ast.stmt))

    visit(tree)


def hands_on(node):
    """Whether a statement only hands on a result, or only leaves."""
    if isinstance(node, ast.Return):
        kinds = (ast.Name, ast.Constant, type(None))
        return isinstance(node.value, kinds)
    if isinstance(node, ast.Raise):
        return isinstance(node.exc, (ast.Name, type(None)))
    return isinstance(node, (ast.Break, ast.Continue, ast.Pass))


def main():
    """Reads, parses, prints."""
    sys.stdin.reconfigure(encoding="utf-8")
    text = sys.stdin.read()
    try:
        tree = ast.parse(text)
    except SyntaxError as error:
        print(json.dumps({"Err": (error.lineno or 1, error.msg)}))
        return
    comments_and_tokens(text, docstrings(tree))
    units(tree, text)
    print(json.dumps({"Ok": PARTS}))


main()
