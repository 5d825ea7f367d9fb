"""Let the gateway work for minutes under constant renewal: `make soak`, or `python -m tests.soak`.

Fails on a request that failed, on a connection that outlived its certificate, and on memory,
descriptors or tasks that grow.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence

from tests.soak import churn, control_plane, idle_streams, mixed
from tests.soak.plan import Plan
from tests.soak.result import Result, table

# The first one is measured in this very process, which the others make larger.
SCENARIOS: dict[str, Callable[[Plan], Result]] = {
    "control": control_plane.run,
    "mixed": mixed.alone,
    "pair": mixed.back_to_back,
    "streams": idle_streams.run,
    "churn": churn.run,
}


def _arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=__doc__)
    parser.add_argument("--seconds", type=float, default=300.0, help="a scenario (300)")
    parser.add_argument("--every", type=float, default=2.0, help="seconds between renewals (2)")
    parser.add_argument("--streams", type=int, default=5000, help="idle event streams (5000)")
    parser.add_argument(
        "--only",
        type=lambda text: text.split(","),
        default=list(SCENARIOS),
        metavar="NAME,…",
        help=f"of {', '.join(SCENARIOS)} (all)",
    )
    arguments = parser.parse_args(argv)
    unknown = set(arguments.only) - SCENARIOS.keys()
    if unknown:
        parser.error(f"not known: {', '.join(sorted(unknown))}")
    return arguments


def main(argv: Sequence[str] | None = None) -> int:
    """Run it; 0, or 1 when a scenario failed."""
    arguments = _arguments(argv)
    plan = Plan(seconds=arguments.seconds, every_s=arguments.every, streams=arguments.streams)
    results = []
    for name in arguments.only:
        result = SCENARIOS[name](plan)
        results.append(result)
        for problem in result.problems:
            print(f"{result.name}: {problem}", file=sys.stderr, flush=True)
    print(table(results))
    return 1 if any(result.problems for result in results) else 0


if __name__ == "__main__":
    raise SystemExit(main())
