"""Which page an error is on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Area:
    """One page: the modules whose errors are on it, by the beginnings of their names."""

    name: str
    title: str
    about: str
    modules: str


#: The first that fits counts.
AREAS: Final = (
    Area(
        "clients",
        "Clients",
        "`client`, `stdio`, and the settings of programs that are known by name.",
        "gateway.clients gateway.bridge gateway.cli.client gateway.cli.stdio",
    ),
    Area(
        "audit",
        "Audit journal",
        "Recording uses and changes, `audit`, and what `audit verify` finds.",
        "gateway.audit gateway.cli.audit gateway.control_plane.audit",
    ),
    Area(
        "programs",
        "Programs and shells",
        "`run`, `envrc`, `scan`, and what programs are given.",
        "gateway.injection gateway.cli.run gateway.cli.envrc gateway.cli.scan",
    ),
    Area(
        "issuer",
        "Issuer",
        "`issuer` and its rules, and what it answers to those who join and renew.",
        "certs.issuer gateway.cli.issuer gateway.issuer_ways",
    ),
    Area(
        "security-keys",
        "Security keys",
        "`mfa`, touches, sealed secrets.",
        "identity.mfa gateway.cli.mfa gateway.cli.touch gateway.cli.security_key "
        "gateway.cli.sealing gateway.cli.device_key gateway.cli.approval",
    ),
    Area(
        "rotation",
        "Rotation",
        "`rotate`: new values for secrets.",
        "identity.rotation gateway.rotation gateway.cli.rotate gateway.control_plane.rotations",
    ),
    Area(
        "configu",
        "Configu",
        "`sync`, schemas, and values that a team shares.",
        "identity.configu gateway.configu gateway.cli.sync gateway.cli.configu "
        "gateway.control_plane.configu",
    ),
    Area(
        "tokens",
        "Tokens",
        "`login`, and the sources under `[tokens]`.",
        "identity.token_sources identity.supabase identity.program identity.langsmith "
        "gateway.token_sources gateway.cli.login gateway.cli.logout "
        "gateway.cli.browser_login gateway.cli.released_tokens "
        "gateway.control_plane.token",
    ),
    Area(
        "secrets",
        "Secrets",
        "Keychains, folders, the vault; `secret` and `vault`.",
        "identity.secret_stores gateway.credentials gateway.cli.secret gateway.cli.vault "
        "gateway.cli.import_formats gateway.cli.typed gateway.cli.released "
        "gateway.cli.shred gateway.control_plane.header_feed",
    ),
    Area(
        "identity",
        "Identity",
        "Certificates: where they come from, how they are checked, exported and rehearsed.",
        "certs identity.join identity.spiffe identity.endpoint gateway.identity_sources "
        "gateway.cli.identity gateway.cli.rehearse gateway.control_plane.export "
        "gateway.control_plane.workload gateway.control_plane.grpc "
        "gateway.control_plane.outlets gateway.control_plane.trust gateway.data_plane "
        "gateway.doctor.identities",
    ),
    Area(
        "gateway",
        "Gateway and command line",
        "Start, reload, status, and everything else.",
        "gateway identity",
    ),
)


def area_of(module: str) -> Area:
    """The page that a module's errors are on."""
    return next(area for area in AREAS if module.startswith(tuple(area.modules.split())))
