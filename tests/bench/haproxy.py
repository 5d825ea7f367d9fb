"""HAProxy."""

from __future__ import annotations

from tests.bench.proxy import STRIPPED, TOKEN, Server, first_line


class HAProxy(Server):
    """One thread; its log goes to its standard output, which is a file here."""

    name = "haproxy"

    def command(self) -> list[str]:
        """See `Server`."""
        site = self.site
        identity = self.folder / "identity.pem"
        identity.touch(0o600)
        identity.write_text(site.certificate.read_text() + site.private_key.read_text())
        removed = "\n".join(f"  http-request del-header {name}" for name in STRIPPED)
        proxies = "".join(
            f"""
listen {name}
  bind 127.0.0.1:{port} backlog 4096
  http-request set-header Host localhost
  http-request set-header Authorization "Bearer {TOKEN}"
{removed}
  server far 127.0.0.1:{upstream} pool-max-conn 2048 ssl verify required sni str(localhost) verifyhost localhost ca-file {site.trust_bundle} crt {identity} ssl-min-ver TLSv1.3 no-ssl-reuse
"""  # noqa: E501 - one server is one line
            for name, port, upstream in (
                ("answers", self.port, site.answers_port),
                ("streams", self.streams_port, site.streams_port),
            )
        )
        config = self.folder / "haproxy.cfg"
        config.write_text(f"""
global
  nbthread 1
  maxconn 8192
  log stdout format raw local0
defaults
  mode http
  log global
  option httplog
  option http-no-delay
  http-reuse always
  timeout connect 10s
  timeout client 600s
  timeout server 600s
{proxies}""")
        return ["haproxy", "-db", "-f", str(config)]

    @staticmethod
    def version() -> str | None:
        """See `Server`."""
        return first_line("haproxy", "-v")
