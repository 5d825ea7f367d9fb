"""Checked configurations for tests that do not go through a file."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from gateway.config.model import (
    AdminConfig,
    Config,
    FilesSourceConfig,
    IdentityConfig,
    Limits,
    PeerName,
    Route,
    TcpAddress,
)


def route(name: str = "planner", **changes: Any) -> Route:
    """A route to 127.0.0.1:8443 with a listener on a free port."""
    plain = Route(
        name=name,
        listen=(TcpAddress("127.0.0.1", 0),),
        upstream_host="127.0.0.1",
        upstream_port=8443,
        server_name="",
        peer=(PeerName("spiffe", "spiffe://acme.example/agent/planner"),),
    )
    return replace(plain, **changes)


def config(folder: Path, *routes: Route, **changes: Any) -> Config:
    """A configuration whose admin socket is in `folder`."""
    files = FilesSourceConfig(
        certificate=folder / "c.pem", private_key=folder / "k.pem", trust_bundle=folder / "b.pem"
    )
    plain = Config(
        path=folder / "devwiz-gw.toml",
        place=folder / "devwiz-gw.toml",
        project="acme",
        identity=IdentityConfig(sources=(files,)),
        routes=routes or (route(),),
        admin=AdminConfig(socket=folder / "admin.sock"),
        limits=Limits(drain_timeout_s=1.0),
    )
    return replace(plain, **changes)
