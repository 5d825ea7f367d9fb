"""Writes compose/kubernetes/manifests from the chart: `python -m tests.manifests`."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from pathlib import Path

from tests.components import make_program, require_program

KUBERNETES = Path(__file__).parents[1] / "compose" / "kubernetes"
CHART = KUBERNETES / "chart"
MANIFESTS = KUBERNETES / "manifests"
SOURCES = ("spiffe", "google-wif", "cert-manager", "issuer")

_INTRODUCTION = """\
# An agent and its sidecar, with an identity from {source}. Put your own names in.
# Generated from ../chart by `make manifests`, for those who don't use Helm.
"""


def helm(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the real helm to its end."""
    return subprocess.run(
        [require_program("helm"), *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def rendered(values: Path, *more: str, chart: Path = CHART) -> str:
    """What the chart makes of a file of values, as release `agent` of the namespace `agents`."""
    place = ("--namespace", "agents", "--kube-version", "1.33")
    made = helm("template", "agent", str(chart), "--values", str(values), *place, *more)
    assert made.returncode == 0, made.stderr
    return made.stdout


def values_of(source: str) -> Path:
    """The chart's own example."""
    return CHART / "ci" / f"{source}.yaml"


def manifest(source: str) -> str:
    """The file for those who don't use Helm: nothing in it speaks of Helm."""
    lines = rendered(values_of(source)).splitlines()
    kept = [line.rstrip() for line in lines if not _of_helm(line, ("# Source:",))]
    return _INTRODUCTION.format(source=source) + "\n".join(kept).rstrip() + "\n"


def _of_helm(line: str, starts: Sequence[str]) -> bool:
    labels = ("helm.sh/chart:", "app.kubernetes.io/managed-by:")
    return line.startswith(tuple(starts)) or line.strip().startswith(labels)


def main() -> None:
    """Write them all."""
    make_program("helm")
    MANIFESTS.mkdir(exist_ok=True)
    for source in SOURCES:
        (MANIFESTS / f"{source}.yaml").write_text(manifest(source), encoding="utf-8")


if __name__ == "__main__":
    main()
