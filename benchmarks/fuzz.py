"""`make fuzz`: spoiled requests and certificate requests, to see that nothing but a refusal comes of them.

python benchmarks/fuzz.py [--inputs N] [--short] [--seed N] [--write-failures DIR]

Two processes make signed requests and CSRs of every kind, spoil them (JSON members, base64url, DER, bits, cuts,
repetitions), and feed them to what the front door does with a client's bytes. Ends with 1, and shows the input, on an
exception that is no refusal, an answer with a 5xx, an input that takes a second, or memory that grows.
"""

from __future__ import annotations

import argparse
import base64
import multiprocessing
import random
import sys
import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Final

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks.fuzzing.feeding import Failure, Fed, feed  # noqa: E402  the root comes into the path first

_PROCESSES: Final = 2
_LIMIT: Final = 1.0
"""CPU seconds that one input may take."""
_MIB: Final = 1 << 20
_MAY_GROW: Final = 8 * _MIB
"""Bytes that a process may grow by after its first part: the allocator's slack. A leak of 10 bytes an input is more."""


def fuzz(inputs: int, seed: int) -> list[Fed]:
    """Share the inputs between the processes."""
    share = -(-inputs // _PROCESSES)
    with ProcessPoolExecutor(_PROCESSES, multiprocessing.get_context("spawn")) as pool:
        fed = [pool.submit(feed, share, seed + number, _LIMIT) for number in range(_PROCESSES)]
        return [one.result() for one in fed]


def told(parts: list[Fed], took: float) -> list[str]:
    """What was fed and what was answered, in lines."""
    answers: Counter[str] = sum((part.answers for part in parts), Counter())
    seconds, subject, slowest = max(part.slowest for part in parts)
    total = answers.total()
    lines = [f"{total} inputs in {took:.0f} s, {total / max(took, 1e-9):.0f} a second in {_PROCESSES} processes"]
    lines += [f"  {answer:32} {count:>9}  {100 * count / total:5.1f} %" for answer, count in sorted(answers.items())]
    lines.append(f"slowest: {seconds * 1000:.1f} ms, {subject}, {len(slowest) * 3 // 4} bytes: {slowest[:120]}")
    for number, part in enumerate(parts, 1):
        lines.append(f"memory of process {number}: {part.before / _MIB:.1f} MiB, then {part.after / _MIB:.1f} MiB")
    return lines


def failed(parts: list[Fed]) -> list[Failure]:
    """Everything that must not be."""
    found = [failure for part in parts for failure in part.failures]
    found += [
        Failure("memory", f"it grew from {part.before} to {part.after} bytes", "")
        for part in parts
        if part.after > part.before + _MAY_GROW
    ]
    return found


def main() -> int:
    """Run what was asked for; the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--inputs", type=int, default=1_000_000, help="how many (1,000,000)")
    parser.add_argument("--short", action="store_true", help="20,000 inputs")
    parser.add_argument("--seed", type=int, default=random.randrange(2**32), help="of the random choices")
    parser.add_argument("--write-failures", type=Path, metavar="DIR", help="write each input that failed into DIR")
    options = parser.parse_args()
    print(f"seed {options.seed}", flush=True)
    began = time.perf_counter()
    parts = fuzz(20_000 if options.short else options.inputs, options.seed)
    print("\n".join(told(parts, time.perf_counter() - began)))
    failures = failed(parts)
    for number, failure in enumerate(failures):
        print(f"FAILED {failure.subject}: {failure.told}\n  input: {failure.input[:400]}")
        if options.write_failures and failure.input:
            options.write_failures.mkdir(parents=True, exist_ok=True)
            (options.write_failures / f"{failure.subject}-{number}").write_bytes(base64.b64decode(failure.input))
    print(f"{len(failures)} failures" if failures else "no failure")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
