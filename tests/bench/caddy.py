"""Caddy."""

from __future__ import annotations

from tests.bench.proxy import STRIPPED, TOKEN, Server, first_line


class Caddy(Server):
    """On one core, which its runtime sees; metrics and access log on."""

    name = "caddy"

    def command(self) -> list[str]:
        """See `Server`."""
        site = self.site
        removed = "\n".join(f"    header_up -{name}" for name in STRIPPED)
        sites = "".join(
            f"""
http://127.0.0.1:{port} {{
  bind 127.0.0.1
  log {{
    output file {self.folder}/access-{port}.log
    format json
  }}
  reverse_proxy https://127.0.0.1:{upstream} {{
    flush_interval -1
    header_up Host localhost
    header_up Authorization "Bearer {TOKEN}"
{removed}
    transport http {{
      tls_client_auth {site.certificate} {site.private_key}
      tls_trust_pool file {site.trust_bundle}
      tls_server_name localhost
      compression off
      keepalive_idle_conns_per_host 128
    }}
  }}
}}
"""
            for port, upstream in (
                (self.port, site.answers_port),
                (self.streams_port, site.streams_port),
            )
        )
        config = self.folder / "Caddyfile"
        config.write_text(f"""
{{
  admin off
  auto_https off
  persist_config off
  metrics
}}
{sites}""")
        data = f"XDG_DATA_HOME={self.folder}"
        return ["env", data, "caddy", "run", "--adapter", "caddyfile", "--config", str(config)]

    @staticmethod
    def version() -> str | None:
        """See `Server`."""
        line = first_line("caddy", "version")
        return None if line is None else f"caddy {line.split()[0]}"
