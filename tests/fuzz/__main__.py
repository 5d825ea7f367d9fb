"""`python -m tests.fuzz NAME SECONDS`: look for bytes that show a bug, with atheris if it is
installed, otherwise with random edits of known messages.
"""

from __future__ import annotations

import importlib
import importlib.util
import random
import sys
import time
from pathlib import Path

from tests.fuzz.mutation import TOKENS, Edit
from tests.fuzz.targets import TARGETS, Target

# `make clean` removes it.
_CORPORA = Path(".hypothesis", "fuzz")


def main(arguments: list[str]) -> int:
    """Run one target; 0 when nothing was found, 2 for a wrong call."""
    if len(arguments) != 2 or arguments[0] not in TARGETS or not arguments[1].isdecimal():
        names = " | ".join(TARGETS)
        sys.stderr.write(f"usage: python -m tests.fuzz {{{names}}} SECONDS\n")
        return 2
    name, seconds = arguments[0], int(arguments[1])
    if importlib.util.find_spec("atheris") is not None:
        _run_atheris(name, seconds)
        return 0
    return _run_edits(TARGETS[name], seconds)


def _run_atheris(name: str, seconds: int) -> None:
    """Coverage-guided, from the seeds and what earlier runs found; ends the process itself."""
    atheris = importlib.import_module("atheris")
    atheris.instrument_all()
    corpus = _CORPORA / name
    corpus.mkdir(parents=True, exist_ok=True)
    for number, seed in enumerate(TARGETS[name].seeds):
        (corpus / f"seed-{number}").write_bytes(seed)
    atheris.Setup([sys.argv[0], f"-max_total_time={seconds}", str(corpus)], TARGETS[name].check)
    atheris.Fuzz()


def _run_edits(target: Target, seconds: int) -> int:
    """Random edits; the bytes of a failure are shown so that they can become a test."""
    start = random.SystemRandom().getrandbits(32)
    source = random.Random(start)
    ends_at = time.monotonic() + seconds
    runs = 0
    while time.monotonic() < ends_at:
        data = source.choice(target.seeds)
        for _ in range(source.randrange(1, 8)):
            data = _random_edit(source).apply(data)
        try:
            target.check(data)
        except Exception:
            sys.stderr.write(f"start {start}, run {runs}: {data!r}\n")
            raise
        runs += 1
    sys.stdout.write(f"{runs} runs from start {start}, nothing found\n")
    return 0


def _random_edit(source: random.Random) -> Edit:
    return Edit(
        kind=source.randrange(4),
        at=source.randrange(1 << 16),
        length=source.randrange(17),
        token=source.randrange(len(TOKENS)),
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
