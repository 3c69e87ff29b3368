#!/usr/bin/env python3
"""The report that tests/report/known.c left, read by html5lib, which reports every error of the HTML standard's parser. Skipped
(77) without html5lib.

Usage: html_valid.py FILE
"""
import sys

try:
    import html5lib
except ImportError:
    print("html5lib is not installed")
    sys.exit(77)

parser = html5lib.HTMLParser(strict=False)
with open(sys.argv[1], "rb") as f:
    tree = parser.parse(f, transport_encoding="utf-8")
for (line, column), code, data in parser.errors:
    print("line %d, column %d: %s %s" % (line, column, code, data))
ids = [e.get("id") for e in tree.iter() if e.get("id")]
pictures = [e for e in tree.iter() if e.tag.endswith("}img")]
charts = [e for e in tree.iter() if e.tag.endswith("}svg")]
if len(ids) != len(set(ids)) or not pictures or not charts:
    sys.exit("ids that are given twice, or nothing seen: %d pictures, %d charts" % (len(pictures), len(charts)))
if not all(e.get("alt") for e in pictures) or not all(e.get("aria-label") for e in charts):
    sys.exit("a picture or chart without words")
sys.exit(1 if parser.errors else 0)
