"""What a program is to get: the manifest, narrowed by the command line. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Final

from gateway.config.run import variable
from gateway.config.run_model import InjectedVariable, RunConfig
from gateway.config.table import Rejected
from gateway.config.variable_names import danger_of
from gateway.errors import GatewayError
from gateway.injection.envrc_text import without_loaded

#: What the kernel takes as one variable (MAX_ARG_STRLEN, execve(2)).
_MOST_BYTES: Final = 128 * 1024
#: Variables that this program's own commands read; a program that is run has no use for them.
_OWN: Final = ("DEVWIZ_GW_", "CONFIGU_TOKEN")
#: What an otherwise empty environment still holds.
_PRISTINE: Final = (
    "PATH", "HOME", "USER", "LOGNAME", "SHELL", "TERM", "COLORTERM", "LANG", "LC_ALL", "LC_CTYPE",
    "TZ", "TMPDIR", "XDG_RUNTIME_DIR", "DISPLAY", "WAYLAND_DISPLAY",
)  # fmt: skip


class NotAllowed(GatewayError):
    """The manifest doesn't allow this."""


def chosen(
    manifest: RunConfig, *, only: Sequence[str], more: Sequence[str], project: str
) -> tuple[InjectedVariable, ...]:
    """The manifest's variables, of which `only` these if any are named, and `more` of the form
    NAME=secret:x, whose secrets the manifest must know.

    Raises:
        NotAllowed: a name or secret that isn't in the manifest, or one that can't be set.
    """
    known = {item.name: item for item in manifest.env}
    if unknown := [name for name in only if name not in known]:
        raise NotAllowed(
            f"{unknown[0]} is not under [run.env]",
            hint=f"there are: {', '.join(known) or 'none'}",
        )
    result = {name: item for name, item in known.items() if not only or name in only}
    allowed = manifest.allowed
    for text in more:
        item = _parsed(text, manifest, project)
        if missing := [name for name in item.value_names if name not in allowed]:
            raise NotAllowed(
                f"secret {missing[0]} may not be given to programs",
                hint=f'the project allows it by secrets = ["{missing[0]}"] under [run]',
            )
        result[item.name] = item
    return tuple(result.values())


def _parsed(text: str, manifest: RunConfig, project: str) -> InjectedVariable:
    name, equals, value = text.partition("=")
    if not equals or not value.startswith("secret:"):
        raise NotAllowed(
            f"--env {name}{equals}… is not of the form NAME=secret:x",
            hint="a plain value needs no devwiz-gw: set it in the shell",
        )
    try:
        return variable(name, value, allowed=manifest.dangerous, project=project)
    except Rejected as rejected:
        raise NotAllowed(rejected.message, hint=rejected.hint) from None


def check_delivered(names: Iterable[str], allowed: Collection[str]) -> None:
    """Raise `NotAllowed` for a variable that steers programs, though not by the manifest's name for
    it: with SSL_CERT in a file, SSL_CERT_FILE is what is set.
    """
    for name in names:
        if (danger := danger_of(name)) and name not in allowed:
            raise NotAllowed(
                f"{name} {danger}",
                hint=f'pass it by --deliver env, or: allow_dangerous = ["{name}"] under [run]',
            )


def base_environment(
    environ: Mapping[str, str], *, pristine: bool, keep: Iterable[str] = ()
) -> dict[str, str]:
    """What the program inherits, without what direnv loaded from a session of ours; with `pristine`
    little more than a login has, and what is kept.
    """
    kept = {*_PRISTINE, *keep}
    return {
        name: value
        for name, value in without_loaded(environ).items()
        if not name.startswith(_OWN) and (not pristine or name in kept)
    }


def check_fits(values: Mapping[str, str]) -> None:
    """Raise `NotAllowed` for a value that no environment can hold; the value isn't told."""
    for name, text in values.items():
        if "\0" in text:
            raise NotAllowed(f"the value of {name} holds a NUL", hint="pass it by --deliver file")
        if len(text.encode("utf-8", "surrogateescape")) + len(name) + 2 > _MOST_BYTES:
            raise NotAllowed(
                f"the value of {name} is too long for the environment",
                hint="pass it by --deliver file",
            )
