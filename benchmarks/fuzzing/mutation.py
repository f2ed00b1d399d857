"""Ways to spoil an input: as bytes, as JSON, as base64url, as DER. For the fuzz program only.

Each takes the random source it works with, and gives something new; none looks at what the program would say.
"""

from __future__ import annotations

import json
import random
from typing import Any, Final, TypeAlias

from tests.unit.ca.making import tlv

MAX_BYTES: Final = 65_536
"""The largest body that the front door takes by default."""

ODD_VALUES: Final[tuple[Any, ...]] = (
    *(None, True, 0, -1, 2**63, 10**40, 1.5, "", "\0", "\ud83d\ude00", "none", "HS256", "ES256", "RS256", "EdDSA"),
    *([], {}, [[]], {"a": {"b": {}}}, ["x"] * 300, "A" * 3000, "AQAB", "AA==", "a.b.c", "https://other.example/"),
    *({"kty": "oct", "k": "AA"}, {"kty": "RSA", "n": "AQAB", "e": "Aw"}, {"kty": "EC", "crv": "P-256"}, 1e308),
)
NAMES: Final = (
    *("alg", "jwk", "kid", "nonce", "url", "crit", "b64", "kty", "crv", "x", "y", "n", "e", "d", "payload", "header"),
    *("protected", "signature", "signatures", "csr", "identifiers", "externalAccountBinding", "\u0130", ""),
)
SPLINTERS: Final = (
    *(b'"', b"\\", b"{", b"}", b"[", b"]", b",", b"null", b"NaN", b"1e999", b"\\ud800", b"\\u0022", b"\xff", b"\0"),
    *(
        b"[" * 5000,
        b'{"a":' * 3000,
        b"9" * 6000,
        b"\xef\xbb\xbf",
        b'"a":1,"a":1,',
        b"\\" * 500,
        b"\x30\x80",
        b"\x00\x00",
    ),
)
TAGS: Final = (*(0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x0C, 0x13, 0x16, 0x17, 0x1E, 0x30, 0x31), 0x80, 0x82, 0x87, 0xA0)
CONSTRUCTED: Final = 0x20
LONG_FORM: Final = 0x80
_DEEP: Final = 400

Node: TypeAlias = list[Any]
"""A DER element: [tag, list of elements] or [tag, bytes]."""


def spoil_bytes(raw: bytes, chance: random.Random) -> bytes:
    """Flip, cut, repeat, move or insert bytes, once or a few times."""
    made = bytearray(raw)
    for _ in range(chance.choice((1, 1, 1, 2, 4))):
        here, there = sorted((chance.randrange(len(made) + 1), chance.randrange(len(made) + 1)))
        match chance.randrange(7):
            case 0 if made:
                made[chance.randrange(len(made))] ^= 1 << chance.randrange(8)
            case 1:
                del made[here:]
            case 2:
                del made[here : here + chance.randrange(1, 9)]
            case 3:
                made[there:there] = made[here:there]
            case 4:
                made[here:here] = chance.choice(SPLINTERS)
            case 5:
                made[here:here] = chance.randbytes(chance.randrange(1, 40))
            case _:
                made[here : here + 4] = chance.randbytes(4)
    return bytes(made[:MAX_BYTES])


def spoil_json(value: Any, chance: random.Random) -> Any:
    """Another value somewhere in it: replaced, taken out, added, renamed, swapped, spoiled text."""
    if not value or not isinstance(value, dict | list):
        return spoil_text(value, chance) if isinstance(value, str) else chance.choice(ODD_VALUES)
    if isinstance(value, list):
        index = chance.randrange(len(value))
        return [*value[:index], spoil_json(value[index], chance), *value[index + chance.randrange(2) :]]
    made = dict(value)
    name = chance.choice(list(made))
    match chance.randrange(7):
        case 0:
            del made[name]
        case 1:
            made[name] = chance.choice(ODD_VALUES)
        case 2:
            made[chance.choice(NAMES)] = chance.choice(ODD_VALUES)
        case 3:
            made[chance.choice(NAMES)] = made.pop(name)
        case 4:
            other = chance.choice(list(made))
            made[name], made[other] = made[other], made[name]
        case _:
            made[name] = spoil_json(made[name], chance)
    return made


def spoil_text(text: str, chance: random.Random) -> str:
    """Base64url that is none any more, or says something else: padding, stray bits, other letters, spaces."""
    here = chance.randrange(len(text) + 1)
    match chance.randrange(7):
        case 0:
            return text + "=" * chance.randrange(1, 3)
        case 1:
            return text[:-1]
        case 2:
            return text[:-1] + chance.choice("ABCDwxyz0189-_")
        case 3:
            return text[:here] + chance.choice(" \n+/.%\0é=\u2028AB") + text[here:]
        case 4:
            return text[:here] + chance.choice("ABab01-_") + text[here + 1 :]
        case 5:
            return text[here:]
        case _:
            return text + text


def to_json(value: Any, chance: random.Random) -> bytes:
    """JSON in one of its spellings; now and then a member is there twice, or its name is escaped."""
    text = json.dumps(value, ensure_ascii=chance.random() < 0.5, indent=chance.choice((None, None, None, 1)))  # noqa: PLR2004  half
    if isinstance(value, dict) and value and chance.random() < 0.1:  # noqa: PLR2004  one in ten
        name = chance.choice(list(value))
        shown = json.dumps(name) if chance.random() < 0.5 or not name else f'"\\u{ord(name[0]):04x}{name[1:]}"'  # noqa: PLR2004  half
        return f"{{{shown}:{json.dumps(value[name])},{text[1:]}".encode("utf-8", "replace")
    return text.encode("utf-8", "replace")


def spoil_der(tree: Node, chance: random.Random) -> None:
    """Change one element of the tree: its tag or content; take it out, repeat it, move it, wrap it deeply."""
    parents = [node for node in _each(tree) if isinstance(node[1], list) and node[1]]
    if not parents:
        tree[1] = chance.randbytes(chance.randrange(20))
        return
    inside = chance.choice(parents)[1]
    index = chance.randrange(len(inside))
    node = inside[index]
    match chance.randrange(9):
        case 0:
            node[0] = chance.choice(TAGS)
        case 1:
            del inside[index]
        case 2:
            inside.insert(index, node)
        case 3:
            chance.shuffle(inside)
        case 4:
            inside.append([chance.choice(TAGS), chance.randbytes(chance.randrange(12))])
        case 5:
            node[:] = [0x30, encoded(node) if chance.random() < 0.9 else _wrapped(encoded(node))]  # noqa: PLR2004  most
        case 6:
            node[1] = b""
        case _:
            content = node[1] if isinstance(node[1], bytes) else encoded(node)
            node[:] = [node[0], spoil_bytes(content, chance)[:2000]]


def parsed(der: bytes) -> Node | None:
    """The tree of one DER element, strings that hold DER opened too; None for anything else."""
    found = _elements(der)
    return found[0] if found is not None and len(found) == 1 else None


def encoded(node: Node) -> bytes:
    """The DER of a tree, every length right."""
    tag, content = node
    if isinstance(content, bytes):
        return tlv(tag, content)
    # Tag 4 is a string that was opened.
    return tlv(tag, *(encoded(child) for child in content))


def _elements(raw: bytes) -> list[Node] | None:
    found: list[Node] = []
    at = 0
    while at < len(raw):
        if at + 2 > len(raw):
            return None
        tag, size, at = raw[at], raw[at + 1], at + 2
        if size >= LONG_FORM:
            octets = size - LONG_FORM
            size, at = int.from_bytes(raw[at : at + octets]), at + octets
        content = raw[at : at + size]
        if len(content) != size or not tag & 0x1F:
            return None
        at += size
        inner = _elements(content) if tag & CONSTRUCTED or (tag == 0x04 and size > 2) else None  # noqa: PLR2004  OCTET STRING
        found.append([tag, content if inner is None else inner])
    return found


def _each(node: Node) -> list[Node]:
    found = [node]
    if isinstance(node[1], list):
        for child in node[1]:
            found += _each(child)
    return found


def _wrapped(der: bytes) -> bytes:
    for _ in range(_DEEP):
        der = tlv(0x30, der)
    return der
