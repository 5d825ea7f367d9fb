"""The command `devwiz-gw`, which is `python -m gateway`, too."""

from __future__ import annotations

import gc


def entry() -> None:
    """Run the program on the process's arguments and exit with its code."""
    # A tenth of what importing takes; `main` collects again once it knows what to do.
    gc.disable()
    from gateway.cli.main import run_to_the_end

    run_to_the_end()


if __name__ == "__main__":
    entry()
