"""The ConfigMap's configuration is good, and a gateway serves with it from a pod's volumes."""

from __future__ import annotations

import http.client
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
import yaml

from tests.fakes.agent_server import AgentServer
from tests.fakes.authority import Authority, server_context
from tests.fakes.gateway_process import COMMAND, AnyGateway
from tests.manifests import SOURCES, rendered, values_of

pytestmark = pytest.mark.program("helm")
SPIFFE_ID = "spiffe://acme.example/ns/agents/sa/agent"


class Pod(AnyGateway):
    """The volumes that the chart names, in a folder, as a node makes them for an fsGroup."""

    def __init__(self, folder: Path, source: str, *more: str) -> None:
        super().__init__(folder)
        self.mounted = folder / "mounts"
        empty = ("run/devwiz-gw", "var/lib/devwiz-gw")
        for name in (*empty, "etc/devwiz-gw", "run/identity", "run/secrets/devwiz-gw"):
            (self.mounted / name).mkdir(parents=True)
        for name in empty:
            (self.mounted / name).chmod(0o2777)
        self.env["XDG_STATE_HOME"] = str(self.mounted / "var/lib/devwiz-gw")
        self.config = self.mounted / "etc/devwiz-gw/devwiz-gw.toml"
        self._project("run/secrets/devwiz-gw", {"planner-token": "a-secret"})
        documents = yaml.safe_load_all(rendered(values_of(source), *more))
        (data,) = (item["data"] for item in documents if item and item["kind"] == "ConfigMap")
        for place in ("/etc/devwiz-gw/", "/run/"):
            data = {
                name: text.replace(f'"{place}', f'"{self.mounted}{place}').replace(
                    f'"unix:{place}', f'"unix:{self.mounted}{place}'
                )
                for name, text in data.items()
            }
        self._project("etc/devwiz-gw", data)

    def mount_identity(self, authority: Authority) -> None:
        """As cert-manager's CSI driver writes it."""
        leaf = authority.issue(SPIFFE_ID)
        files = {"tls.crt": leaf.chain_pem, "tls.key": leaf.key_pem, "ca.crt": authority.pem}
        self._project("run/identity", files)

    def route_to(self, port: int) -> None:
        """Put another route in the place of the example's."""
        text = self.config.read_text().split("[[routes]]")[0]
        self.config.write_text(
            text
            + f"""
[[routes]]
name = "planner"
listen = "127.0.0.1:0"
upstream = "https://localhost:{port}"
peer = ["dns:localhost"]
"""
        )

    def admin_socket(self) -> Path:
        """Where the configuration has it."""
        return self.mounted / "run/devwiz-gw/gateway/admin.sock"

    def _project(self, name: str, files: dict[str, str]) -> None:
        """A volume's files: links through `..data`, as the kubelet swaps them."""
        volume = self.mounted / name
        data = volume / "..2026_11_26"
        data.mkdir()
        (volume / "..data").symlink_to(data.name)
        for file, text in files.items():
            (data / file).write_text(text)
            (data / file).chmod(0o640)
            (volume / file).symlink_to(Path("..data") / file)


@pytest.fixture
def folder() -> Iterator[Path]:
    """An empty one: the system allows a socket's path 107 bytes, and `tmp_path` may be long."""
    with TemporaryDirectory(prefix="gw-") as name:
        yield Path(name)


@pytest.mark.parametrize("source", SOURCES)
def test_it_is_good(source: str, folder: Path) -> None:
    pod = Pod(folder, source)
    pod.mount_identity(Authority())
    found = pod.command("config", "check")
    assert found.returncode == 0, found.stdout + found.stderr


def test_a_gateway_serves_and_lingers_with_it(folder: Path) -> None:
    authority = Authority()
    pod = Pod(folder, "cert-manager")
    pod.mount_identity(authority)
    with AgentServer(server_context(authority.issue("localhost"), authority)) as agent, pod:
        pod.route_to(agent.port)
        (folder / "admin.sock").symlink_to(pod.admin_socket())
        pod.start()
        address = pod.until_ready()["routes"][0]["listeners"][0]
        startup = [*COMMAND, "healthcheck", "--startup", "--config", str(pod.config)]
        assert subprocess.run(startup, timeout=30, check=False).returncode == 0
        pod.signal(signal.SIGTERM)
        pod.until(lambda body: body["state"] == "draining")
        host, _, port = address.rpartition(":")
        connection = http.client.HTTPConnection(host, int(port), timeout=20)
        connection.request("POST", "/echo", b"words")
        assert b'"words"' in connection.getresponse().read()
        connection.close()
        assert pod.wait()[0] == 0
