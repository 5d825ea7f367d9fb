"""The gateway itself: `devwiz-gw serve`, everything switched on, compiled and as plain Python."""

from __future__ import annotations

import platform
import shutil
import sys
import sysconfig
import venv
from importlib.metadata import version
from pathlib import Path

from hatch_build import ROOT, compile_into
from tests.bench.proxy import TOKEN, UPSTREAM_ID, Server


class PureGateway(Server):
    """Access log to a file, metrics, header firewall with a secret, audit journal in its folder."""

    name = "gateway-pure"
    workers = 1
    compiled = False

    def command(self) -> list[str]:
        """See `Server`."""
        secrets = self.folder / "secrets"
        secrets.mkdir(mode=0o700, exist_ok=True)
        (secrets / "bench-token").touch(0o600)
        (secrets / "bench-token").write_text(TOKEN)
        config = self.folder / "devwiz-gw.toml"
        config.touch(0o600)
        config.write_text(self._configuration())
        python = _environment(self.site.folder / f"{self.name}-environment", self.compiled)
        state = f"XDG_STATE_HOME={self.folder / 'state'}"
        return ["env", state, str(python), "-m", "gateway", "serve", "--config", str(config)]

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
workers = {self.workers}
drain_timeout_s = 0
{routes}"""

    @staticmethod
    def version() -> str | None:
        """See `Server`."""
        from OpenSSL import SSL

        tls = SSL.OpenSSL_version(SSL.OPENSSL_VERSION).decode().rsplit(" ", 3)[0]
        build = str(sysconfig.get_config_var("CONFIG_ARGS"))
        # Profile-guided or not makes a difference of 10 to 15 % in CPU a request.
        kind = "with" if "--enable-optimizations" in build else "without"
        python = f"Python {platform.python_version()} {kind} --enable-optimizations"
        return f"devwiz-gw {version('devwiz-gw')}, {python}, {tls}"


class Gateway(PureGateway):
    """The same with its hot modules compiled."""

    name = "gateway"
    compiled = True

    @staticmethod
    def version() -> str | None:
        """See `Server`."""
        return PureGateway.version() if shutil.which("cc") else None


def _environment(folder: Path, compiled: bool) -> Path:
    """The interpreter of an environment with a copy of the sources: what was compiled in the
    checkout plays no part.
    """
    python = folder / "bin/python"
    if not python.exists():
        venv.create(folder, symlinks=True)
        packages = next(folder.glob("lib/python*/site-packages"))
        ignored = shutil.ignore_patterns("*.so", "__pycache__")
        for name in ("gateway", "identity", "certs"):
            shutil.copytree(ROOT / name, packages / name, ignore=ignored)
        if compiled:
            compile_into(packages)
        others = [path for path in sys.path if path.endswith("site-packages")]
        (packages / "others.pth").write_text("\n".join(others))
    return python
