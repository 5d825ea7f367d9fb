"""nginx: what everybody compares with."""

from __future__ import annotations

import os

from tests.bench.proxy import STRIPPED, TOKEN, Server, first_line


class Nginx(Server):
    """One worker; nothing buffered, connections kept, the access log written in batches."""

    name = "nginx"

    def command(self) -> list[str]:
        """See `Server`."""
        site = self.site
        user = "user root;" if os.geteuid() == 0 else ""
        removed = "".join(f'proxy_set_header {name} "";\n' for name in STRIPPED)
        servers = "".join(
            f"""
  upstream {name} {{ server 127.0.0.1:{upstream}; keepalive 128; keepalive_requests 1000000000; }}
  server {{
    listen 127.0.0.1:{port} backlog=4096;
    server_name 127.0.0.1;
    location / {{ proxy_pass https://{name}; }}
  }}
"""
            for name, port, upstream in (
                ("answers", self.port, site.answers_port),
                ("streams", self.streams_port, site.streams_port),
            )
        )
        config = self.folder / "nginx.conf"
        config.write_text(f"""
daemon off; {user} worker_processes 1; pid nginx.pid; error_log error.log;
events {{ worker_connections 16384; }}
http {{
  log_format line escape=json '{{"ts":"$time_iso8601","id":"$request_id",'
    '"method":"$request_method","path":"$uri","status":$status,"bytes_up":$request_length,"bytes_down":$bytes_sent,'
    '"mcp_method":"$http_mcp_method","mcp_name":"$http_mcp_name","total":$request_time,'
    '"first_byte":"$upstream_header_time","upstream":"$upstream_addr"}}';
  access_log access.log line buffer=64k flush=1s;
  keepalive_requests 1000000000; keepalive_timeout 600; tcp_nodelay on;
  client_max_body_size 0; client_body_temp_path tmp-1; proxy_temp_path tmp-2;
  fastcgi_temp_path tmp-3; uwsgi_temp_path tmp-4; scgi_temp_path tmp-5;
  proxy_http_version 1.1; proxy_buffering off; proxy_request_buffering off;
  proxy_read_timeout 600s;
  proxy_set_header Connection "";
  proxy_set_header Host localhost;
  proxy_set_header Authorization "Bearer {TOKEN}";
  {removed}
  proxy_ssl_protocols TLSv1.3;
  proxy_ssl_certificate {site.certificate};
  proxy_ssl_certificate_key {site.private_key};
  proxy_ssl_trusted_certificate {site.trust_bundle};
  proxy_ssl_verify on; proxy_ssl_name localhost; proxy_ssl_server_name on;
  {servers}
}}
""")
        return ["nginx", "-p", str(self.folder), "-e", "error.log", "-c", str(config)]

    @staticmethod
    def version() -> str | None:
        """See `Server`."""
        return first_line("nginx", "-v")
