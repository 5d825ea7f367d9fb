"""The trust bundles that routes name: read when the configuration is, never by a worker."""

from __future__ import annotations

from typing import Final

from gateway.config.model import Config
from gateway.errors import ConfigInvalid, ConfigProblem

_MAX_BYTES: Final = 4 * 1024 * 1024
_MARK: Final = "-----BEGIN CERTIFICATE-----"


def read_bundles(config: Config) -> dict[str, str]:
    """The text of each route's own trust bundle, by route name. Blocks.

    Raises:
        ConfigInvalid: a file can't be read or holds no certificate; all of them are named.
    """
    bundles: dict[str, str] = {}
    problems: list[ConfigProblem] = []
    for index, route in enumerate(config.routes):
        if route.trust_bundle is None:
            continue
        try:
            with route.trust_bundle.open(encoding="ascii", errors="replace") as file:
                text = file.read(_MAX_BYTES)
        except OSError as error:
            why = f"{route.trust_bundle} can't be read: {(error.strerror or str(error)).lower()}"
        else:
            bundles[route.name] = text
            why = "" if _MARK in text else f"{route.trust_bundle} holds no certificate"
        if why:
            hint = "name a PEM file with the authorities of the upstream"
            problems.append(ConfigProblem(f"routes[{index}].trust_bundle", why, hint))
    if problems:
        raise ConfigInvalid(str(config.path), problems)
    return bundles
