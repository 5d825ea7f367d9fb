"""`[telemetry]`: where metrics are to be had, and spans of requests are sent."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Final
from urllib.parse import urlsplit

from gateway.config.addresses import host_and_port, host_name, ip_literal, port_number
from gateway.config.headers import read_headers
from gateway.config.model import TcpAddress, TelemetryConfig
from gateway.config.table import Rejected, Table

_FORM: Final = 'like "http://127.0.0.1:4318"'
_PORTS: Final = {"http": 80, "https": 443}
_OWN: Final = frozenset({"content-type", "content-encoding", "accept-encoding"})


def read_telemetry(
    table: Table, *, project: str, take: Callable[[TcpAddress, str], str]
) -> TelemetryConfig:
    """The checked table; problems are noted in it. `take` claims an address for the key that names
    it, and tells who has it already.
    """
    listen = table.converted("metrics_listen", _local_address)
    if listen is not None and (holder := take(listen, table.at("metrics_listen"))):
        table.problem("metrics_listen", f"{listen} is taken by {holder}", "choose another port")
    endpoint = table.converted("otlp_endpoint", partial(http_endpoint, appended="/v1/traces")) or ""
    ratio = table.part("sample_ratio", 1.0)
    inner = table.table("otlp_headers")
    headers = read_headers(inner, project=project)
    table.finish()
    for header in headers:
        if header.name.lower() in _OWN:
            inner.problem(header.name, "is set by the exporter itself", "leave it out")
    if headers and "otlp_endpoint" not in table:
        table.problem("otlp_headers", "lead nowhere without otlp_endpoint", f"add it, {_FORM}")
    has_secrets = any(header.value_names for header in headers)
    if has_secrets and endpoint.startswith("http:") and not is_here(endpoint):
        hint = "use https://, or a collector on this machine"
        table.problem("otlp_headers", "would send secrets over a network in plaintext", hint)
    return TelemetryConfig(
        metrics_listen=listen, otlp_endpoint=endpoint, sample_ratio=ratio, otlp_headers=headers
    )


def _local_address(text: str) -> TcpAddress:
    """A port of this machine."""
    host, port = host_and_port(text, example='"127.0.0.1:9464"')
    address = ip_literal(host)
    if address is None or str(address) not in ("127.0.0.1", "::1"):
        hint = 'write "127.0.0.1:9464" or "[::1]:9464"'
        raise Rejected(f"{host!r} is not a loopback address, and nobody has to log in", hint)
    return TcpAddress(str(address), port_number(port, least=1))


def http_endpoint(text: str, *, appended: str) -> str:
    """An HTTP endpoint without a slash at its end, and without the path that is appended to it."""
    try:
        parts = urlsplit(text)
        port, host = parts.port, parts.hostname or ""
    except ValueError:
        raise Rejected(f"{text!r} is not a URL", _FORM) from None
    if parts.scheme not in _PORTS:
        raise Rejected("should start with http:// or https://", _FORM)
    if "@" in parts.netloc:
        raise Rejected("holds a user name", "credentials belong into its headers")
    if "?" in text or "#" in text:
        raise Rejected("holds a query or fragment", _FORM)
    path = parts.path.rstrip("/")
    if path.endswith(appended):
        raise Rejected(f"ends in {appended}", "leave that out: the exporter appends it")
    host_name(host, text)
    port_number(_PORTS[parts.scheme] if port is None else port, least=1)
    return f"{parts.scheme}://{parts.netloc}{path}"


def is_here(endpoint: str) -> bool:
    """Whether an endpoint is on this machine."""
    host = urlsplit(endpoint).hostname or ""
    address = ip_literal(host)
    return host == "localhost" or (address is not None and address.is_loopback)
