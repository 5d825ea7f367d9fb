"""The remote side: nginx for small answers and downloads, a small server for streams and uploads.

Both take nothing but TLS 1.3 with a client certificate, and resume no sessions.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from datetime import timedelta
from pathlib import Path

from tests.bench import machine, proxy
from tests.fakes.authority import Authority

_START_S = 10.0
_ANSWER = (
    '{"jsonrpc":"2.0","id":7,"result":{"content":[{"type":"text","text":"42 rows match; the first '
    'was written on 2026-03-01 and the last on 2026-03-31"}],"isError":false}}'
)


def prepare(folder: Path, *, bulk_bytes: int) -> proxy.Site:
    """Write certificates and the file to download; choose ports."""
    authority = Authority("bench authority")
    day = timedelta(days=1)
    client = authority.issue(proxy.CLIENT_ID, ends=day)
    server = authority.issue(proxy.UPSTREAM_ID, "localhost", "127.0.0.1", ends=day)
    texts = {
        "ca.pem": authority.pem,
        "client.crt": client.chain_pem,
        "client.key": client.key_pem,
        "server.crt": server.chain_pem,
        "server.key": server.key_pem,
    }
    for name, text in texts.items():
        path = folder / name
        path.touch(0o600)
        path.write_text(text)
    served = folder / "served"
    served.mkdir()
    with (served / "bulk").open("wb") as file:
        file.truncate(bulk_bytes)
    return proxy.Site(
        folder=folder,
        certificate=folder / "client.crt",
        private_key=folder / "client.key",
        trust_bundle=folder / "ca.pem",
        server_certificate=folder / "server.crt",
        server_key=folder / "server.key",
        answers_port=machine.free_port(),
        streams_port=machine.free_port(),
        plain_port=machine.free_port(),
    )


class Upstreams:
    """Both servers; a context manager. Each proxy gets new ones, so that none inherits anything."""

    def __init__(self, site: proxy.Site, core: int) -> None:
        self._site = site
        self._core = core
        self._processes: list[subprocess.Popen[bytes]] = []

    def __enter__(self) -> None:
        config = self._site.folder / "upstream.conf"
        config.write_text(_nginx_config(self._site))
        commands = (
            ["nginx", "-p", str(self._site.folder), "-e", "upstream.log", "-c", str(config)],
            [sys.executable, "-m", "tests.bench.stream_server", *_stream_arguments(self._site)],
        )
        with machine.pinned(self._core):
            self._processes = [
                subprocess.Popen(command, stdin=subprocess.DEVNULL) for command in commands
            ]
        deadline = time.monotonic() + _START_S
        while not (proxy.answers(self._site.plain_port) and self._streams_up()):
            if time.monotonic() > deadline:
                self.__exit__()
                raise RuntimeError("the upstreams did not come up")
            time.sleep(0.05)

    def _streams_up(self) -> bool:
        return (self._site.folder / f"streams-{self._site.streams_port}").exists()

    def __exit__(self, *_: object) -> None:
        for process in self._processes:
            process.terminate()
        for process in self._processes:
            process.wait(timeout=10)
        (self._site.folder / f"streams-{self._site.streams_port}").unlink(missing_ok=True)


def _stream_arguments(site: proxy.Site) -> list[str]:
    ready = site.folder / f"streams-{site.streams_port}"
    files = (site.server_certificate, site.server_key, site.trust_bundle, ready)
    return [str(site.streams_port), *(str(file) for file in files)]


def _nginx_config(site: proxy.Site) -> str:
    user = "user root;" if os.geteuid() == 0 else ""
    return f"""
daemon off; {user} worker_processes 1; pid upstream.pid; error_log upstream.log;
events {{ worker_connections 16384; }}
http {{
  access_log off;
  keepalive_requests 1000000000; keepalive_timeout 600;
  client_max_body_size 0; default_type application/json;
  client_body_temp_path tmp-u1; proxy_temp_path tmp-u2; fastcgi_temp_path tmp-u3;
  uwsgi_temp_path tmp-u4; scgi_temp_path tmp-u5;
  server {{
    listen 127.0.0.1:{site.plain_port} backlog=4096;
    listen 127.0.0.1:{site.answers_port} ssl backlog=4096;
    ssl_certificate {site.server_certificate};
    ssl_certificate_key {site.server_key};
    ssl_client_certificate {site.trust_bundle};
    ssl_verify_client on;
    ssl_protocols TLSv1.3;
    ssl_session_cache off; ssl_session_tickets off;
    location = /once {{ keepalive_timeout 0; return 200 '{_ANSWER}'; }}
    location = /bulk {{ root {site.folder}/served; default_type application/octet-stream; }}
    location / {{ return 200 '{_ANSWER}'; }}
  }}
}}
"""
