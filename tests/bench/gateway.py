"""The gateway itself: `devwiz-gw serve`, one worker, everything switched on."""

from __future__ import annotations

import platform
import sys
import sysconfig
from importlib.metadata import version
from pathlib import Path

from tests.bench.proxy import TOKEN, UPSTREAM_ID, Server


class Gateway(Server):
    """Access log to a file, metrics, header firewall with a secret, audit journal in its folder."""

    name = "gateway"

    def command(self) -> list[str]:
        """See `Server`."""
        secrets = self.folder / "secrets"
        secrets.mkdir(mode=0o700, exist_ok=True)
        (secrets / "bench-token").touch(0o600)
        (secrets / "bench-token").write_text(TOKEN)
        config = self.folder / "devwiz-gw.toml"
        config.touch(0o600)
        config.write_text(self._configuration())
        script = Path(sys.executable).with_name("devwiz-gw")
        state = f"XDG_STATE_HOME={self.folder / 'state'}"
        return ["env", state, str(script), "serve", "--config", str(config)]

    def _configuration(self) -> str:
        site = self.site
        routes = "".join(
            f"""
[[routes]]
name = "{name}"
listen = "127.0.0.1:{port}"
upstream = "https://localhost:{upstream}"
peer = ["{UPSTREAM_ID}"]
[routes.headers]
Authorization = "Bearer {{secret:bench-token}}"
"""
            for name, port, upstream in (
                ("answers", self.port, site.answers_port),
                ("streams", self.streams_port, site.streams_port),
            )
        )
        return f"""
project = "bench"
[identity]
source = "files"
[identity.files]
certificate = "{site.certificate}"
private_key = "{site.private_key}"
trust_bundle = "{site.trust_bundle}"
[secrets]
store = "folder"
folder = "secrets"
[admin]
socket = "unix:admin.sock"
[log]
file = "access.log"
[limits]
workers = 1
drain_timeout_s = 0
{routes}"""

    @staticmethod
    def version() -> str:
        """See `Server`."""
        from OpenSSL import SSL

        tls = SSL.OpenSSL_version(SSL.OPENSSL_VERSION).decode().rsplit(" ", 3)[0]
        build = str(sysconfig.get_config_var("CONFIG_ARGS"))
        # Profile-guided or not makes a difference of 10 to 15 % in CPU a request.
        kind = "with" if "--enable-optimizations" in build else "without"
        python = f"Python {platform.python_version()} {kind} --enable-optimizations"
        return f"devwiz-gw {version('devwiz-gw')}, {python}, {tls}"
