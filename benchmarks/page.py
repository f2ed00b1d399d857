"""Puts the tables between the marks of a page, and nothing else of it is touched. Pure; for `benchmarks.bench`."""

from __future__ import annotations

BEGIN, END = "<!-- begin: written by bench.py -->", "<!-- end: written by bench.py -->"


def has_marks(page: str) -> bool:
    """Whether the page has both marks, in their order, once."""
    return page.count(BEGIN) == page.count(END) == 1 and page.index(BEGIN) < page.index(END)


def between_marks(page: str, text: str) -> str:
    """The page with `text` between its marks, instead of what stood there. Raises ValueError without marks."""
    if not has_marks(page):
        raise ValueError(f"there is no line {BEGIN} and after it {END}")
    before, _, rest = page.partition(BEGIN)
    return f"{before}{BEGIN}\n{text.strip()}\n{END}{rest.partition(END)[2]}"
