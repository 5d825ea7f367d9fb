"""A LangSmith key is kept only if the server takes it."""

from __future__ import annotations

from tests.fakes.gateway_process import GatewayProcess
from tests.fakes.langsmith_server import PERSONAL, SERVICE, WORKSPACE, LangSmithServer


def test_good_ones_only(gateway: GatewayProcess) -> None:
    with LangSmithServer() as langsmith:

        def login(key: str, *more: str) -> tuple[int, str]:
            arguments = ("login", "langsmith", "--endpoint", langsmith.url, *more)
            done = gateway.command(*arguments, said=key + "\n")
            assert key not in done.stdout + done.stderr
            return done.returncode, done.stderr

        code, told = login("sk-something-else")
        assert code == 1
        assert "not a LangSmith API key" in told
        code, told = login(PERSONAL.replace("a", "b"))
        assert code == 1
        assert "401" in told
        assert gateway.command("secret", "get", "langsmith-api-key").returncode == 1
        code, told = login(PERSONAL)
        assert code == 0, told
        assert "personal access token" in told
        assert gateway.command("secret", "get", "langsmith-api-key").stdout == PERSONAL
        code, told = login(SERVICE)
        assert code == 1
        assert "--workspace" in told
        code, told = login(SERVICE, "--workspace", WORKSPACE)
        assert code == 0, told
        assert "holds a service key" in gateway.command("login", "--status").stdout
        assert gateway.command("logout", "langsmith").returncode == 0
        assert gateway.command("secret", "get", "langsmith-api-key").returncode == 1
