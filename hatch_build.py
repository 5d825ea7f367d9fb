"""Compiles the hot modules of the data plane: into a wheel when DEVWIZ_GW_COMPILE=1 asks for it,
and in place by `python hatch_build.py` (`make compile`).

What comes out stands beside the sources, which stay what runs wherever it can't be loaded. Why, and
what compiled code may not do: docs/adr/0006-compiled-hot-path.md.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, Final

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

ROOT: Final = Path(__file__).parent
#: What runs for each request and each connection, in gateway/data_plane. They are compiled as one,
#: so that they call each other without Python's detours; a module that is missing here works too.
MODULES: Final = (
    "access_log",
    "affinity",
    "agent_card",
    "arrival",
    "balance",
    "caller",
    "card_exchange",
    "card_places",
    "card_rules",
    "card_security",
    "challenge",
    "client",
    "connection",
    "dial",
    "downstream",
    "edits",
    "endpoint",
    "endpoint_event",
    "event_edges",
    "failure",
    "headers",
    "listener",
    "mcp_peek",
    "oauth_metadata",
    "origin_map",
    "plane",
    "policy",
    "pool",
    "reactor",
    "records",
    "refusals",
    "refused_exchanges",
    "replay",
    "room",
    "route",
    "route_numbers",
    "silence",
    "stream",
    "tally",
    "tcp",
    "token_refusals",
    "tunnel",
    "upstream",
    "waiting_line",
    "wire/__init__",
    "wire/body",
    "wire/edited",
    "wire/fields",
    "wire/request",
    "wire/response",
    "wire/violation",
    "wire/whole",
)
#: The oldest mypy that makes code which passes the tests.
NEEDS: Final = ("mypy>=2.4", "setuptools")

# In a process of its own, because setuptools and mypyc write what they do to the terminal, and
# leave the working directory and the environment as they like.
_COMPILE: Final = """
import sys
from mypyc.build import mypycify
from setuptools import setup
target, scratch, *modules = sys.argv[1:]
setup(
    name="devwiz-gw-data-plane",
    packages=[],
    ext_modules=mypycify(
        ["--config-file=", *modules],
        opt_level="3",
        debug_level="0",
        group_name="devwiz_gw_data_plane",
        target_dir=scratch,
    ),
    script_args=["--quiet", "build_ext", "--build-lib", target, "--build-temp", scratch],
)
"""


def compile_into(target: Path) -> None:
    """Compile, and put what comes out into a folder as it lies beside the sources."""
    modules = [f"gateway/data_plane/{name}.py" for name in MODULES]
    with tempfile.TemporaryDirectory() as scratch:
        command = [sys.executable, "-c", _COMPILE, str(target), scratch, *modules]
        subprocess.run(command, cwd=ROOT, check=True)  # noqa: S603 - nobody else's words are in it


class CompileHook(BuildHookInterface[Any]):
    """Makes a wheel one of this platform, with the compiled modules in it."""

    def dependencies(self) -> list[str]:
        """What the build environment needs besides hatchling."""
        return list(NEEDS) if _is_asked_for() else []

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Called before the wheel's files are gathered; `version` is "editable" for a link to the
        sources, which has no use for a copy of them.
        """
        if version != "standard" or not _is_asked_for():
            return
        target = ROOT / "build" / "compiled"
        shutil.rmtree(target, ignore_errors=True)
        compile_into(target)
        made = target.rglob("*.so")
        build_data["force_include"] |= {str(path): str(path.relative_to(target)) for path in made}
        build_data["pure_python"] = False
        build_data["infer_tag"] = True


def _is_asked_for() -> bool:
    return os.environ.get("DEVWIZ_GW_COMPILE") == "1"


if __name__ == "__main__":
    compile_into(ROOT)
