"""Which sources can give each route an identity of its own. Pure."""

from __future__ import annotations

from gateway.config.model import (
    FilesSourceConfig,
    GoogleWifSourceConfig,
    IdentityConfig,
    IssuerSourceConfig,
    SourceConfig,
    SpiffeSourceConfig,
    StepCaSourceConfig,
)
from gateway.config.table import Table

_NO_EXPORT = "take it out; the Workload API serves each of them"
_HINT = "take it out, or use a source that gives the names that it is asked for"


def read_derive(table: Table) -> bool:
    """Whether `derive` asks for an identity of each route's own."""
    return "derive" in table and table.choice("derive", ("route",), "route") == "route"


def check_derive(table: Table, identity: IdentityConfig) -> None:
    """Note in `table` what stands against deriving identities from this one."""
    if not identity.derive:
        return
    if identity.exports:
        table.problem("export", "is for one identity, and there is one of each route", _NO_EXPORT)
    if "spiffe_id" not in table:
        hint = 'the names derived are below it: "SPIFFE_ID/agent/ROUTE"'
        table.problem("spiffe_id", "is missing", hint)
    for source in identity.sources:
        if why := _why_not(source):
            table.problem("derive", f'the source "{source.name}" can\'t: {why}', _HINT)


def _why_not(source: SourceConfig) -> str:
    match source:
        case FilesSourceConfig():
            return "it gives the one certificate that is in its files"
        case SpiffeSourceConfig() if source.hint:
            return "its hint picks one SVID, whatever its name"
        case IssuerSourceConfig() if source.bound_key or source.id_token:
            # A bound key in several hands looks like a copied one, and gets itself locked.
            return "a bound key or identity token is for one name; it needs a join token alone"
        case StepCaSourceConfig() if not source.provisioner:
            return "a token is for one name; it needs the provisioner's key"
        case GoogleWifSourceConfig() if source.subject_mode == "REFLECTED_SPIFFE":
            return (
                'the pool takes the name from the caller; subject_mode = "DEFAULT" asks for names'
            )
        case _:
            return ""
