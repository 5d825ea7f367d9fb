"""`[run]`: what `devwiz-gw run` may give to a program, and nothing else."""

from __future__ import annotations

from typing import Final

from gateway.config.headers import secret_name, template_parts
from gateway.config.run_model import InjectedVariable, RunConfig
from gateway.config.table import Rejected, Table
from gateway.config.variable_names import check_name, danger_of

_NAME_FORM: Final = "use letters, digits and '_', not beginning with a digit"


def read_run(table: Table, *, project: str) -> RunConfig:
    """The checked table; problems are noted in it."""
    allowed = frozenset(table.distinct("allow_dangerous", _plain))
    secrets = table.distinct("secrets", lambda text: secret_name(text, project=project))
    inner = table.table("env")
    variables = []
    for name in inner.entries():
        found = _variable(inner, name, inner.text(name, empty=True), allowed, project)
        if found is not None:
            variables.append(found)
    table.finish()
    return RunConfig(env=tuple(variables), secrets=secrets, dangerous=allowed)


def _variable(
    table: Table, name: str, text: str, allowed: frozenset[str], project: str
) -> InjectedVariable | None:
    def convert(value: str) -> InjectedVariable:
        return variable(name, value, allowed=allowed, project=project)

    return table.convert(name, text, convert)


def variable(
    name: str, text: str, *, allowed: frozenset[str] = frozenset(), project: str
) -> InjectedVariable:
    """An environment variable, whose value has `{secret:NAME}` or `{token:NAME}` in it;
    `secret:NAME` or `token:NAME` alone is the whole value. `allowed` are names that may be set
    although they steer programs.

    Raises:
        Rejected: the name can't or may not be set, or the template is malformed.
    """
    if problem := check_name(name):
        raise Rejected(problem, _NAME_FORM)
    if (danger := danger_of(name)) and name not in allowed:
        raise Rejected(
            f"{name} {danger}", f'if that is meant so: allow_dangerous = ["{name}"] under [run]'
        )
    if text.startswith(("secret:", "token:")):
        text = "{" + text + "}"
    return InjectedVariable(name, template_parts(text, project=project))


def _plain(text: str) -> str:
    if problem := check_name(text):
        raise Rejected(problem, _NAME_FORM)
    return text
