"""Whether the files that a configuration names can be read."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from gateway.config.model import Config
from gateway.errors import ConfigProblem


def unreadable_files(config: Config) -> list[ConfigProblem]:
    """A problem for each named file that can't be opened now. A join token isn't among them: it may
    be gone once it was used.
    """
    return [
        ConfigProblem(key, f"{path} can't be read: {reason}", "mend the path, or make the file")
        for key, path in _named(config)
        if (reason := _why_not(path))
    ]


def _named(config: Config) -> Iterator[tuple[str, Path]]:
    files = config.identity.files
    if config.identity.source == "files" and files is not None:
        yield "identity.files.certificate", files.certificate
        yield "identity.files.private_key", files.private_key
        yield "identity.files.trust_bundle", files.trust_bundle
    for route in config.routes:
        if route.trust_bundle is not None:
            yield f"routes.{route.name}.trust_bundle", route.trust_bundle


def _why_not(path: Path) -> str:
    try:
        with path.open("rb"):
            return ""
    except OSError as error:
        return (error.strerror or type(error).__name__).lower()
