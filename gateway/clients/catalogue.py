"""The MCP clients that are known by name: their files, and what an entry looks like there. Pure.

Source: the clients' own documentation, and the data of npm `@gleanwork/mcp-config-schema`, against
which the tests check it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePath, PurePosixPath, PureWindowsPath
from typing import Any, Final, Literal

from gateway.clients.access import Access

Scope = Literal["user", "project"]
#: The files are of these formats.
Format = Literal["json", "toml", "yaml"]


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpEntry:
    """How a client writes down a server that it asks by HTTP."""

    url: str = "url"
    headers: str = "headers"
    kind: str = ""
    fixed: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class StdioEntry:
    """How it writes down one that it starts; without `args` the command is a list of all words."""

    command: str = "command"
    args: str = "args"
    kind: str = ""
    fixed: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownClient:
    """One client.

    Attributes:
        name: what it is called on the command line.
        title: what people call it.
        container: the key at the top of its file, under which its servers are.
        http: None for a client that only starts commands.
        user: its file of each system by `sys.platform`, beginning with a variable in `$…`.
        project: its file in a project's folder; the first of several is made if there is none.
        after: what is left to do once an entry is there.
    """

    name: str
    title: str
    container: str = "mcpServers"
    format: Format = "json"
    http: HttpEntry | None = HttpEntry(kind="http")
    stdio: StdioEntry = StdioEntry(kind="stdio")
    user: Mapping[str, Sequence[str]] = field(default_factory=dict)
    project: Sequence[str] = ()
    after: str

    @property
    def scopes(self) -> tuple[Scope, ...]:
        """Where entries can be put, the usual one first."""
        found: tuple[tuple[Scope, bool], ...] = (
            ("user", bool(self.user)),
            ("project", bool(self.project)),
        )
        return tuple(scope for scope, there in found if there)


def http_entry(client: KnownClient, access: Access) -> dict[str, Any]:
    """The entry of a server that the client asks itself."""
    shape = client.http
    if shape is None:
        raise ValueError(f"{client.title} only starts commands")
    entry: dict[str, Any] = {"type": shape.kind} if shape.kind else {}
    entry[shape.url] = access.url
    if access.headers:
        entry[shape.headers] = access.headers
    return entry | _named(shape.fixed, access.route)


def stdio_entry(client: KnownClient, name: str, command: Sequence[str]) -> dict[str, Any]:
    """The entry of a command that the client starts."""
    shape = client.stdio
    entry: dict[str, Any] = {"type": shape.kind} if shape.kind else {}
    if shape.args:
        entry |= {shape.command: command[0], shape.args: list(command[1:])}
    else:
        entry[shape.command] = list(command)
    return entry | _named(shape.fixed, name)


def user_files(
    client: KnownClient, env: Mapping[str, str], *, platform: str
) -> tuple[PurePath, ...]:
    """Where the client's own file may be for a user, the best first. Empty where the variable that
    it depends on isn't set, or the client isn't known on that system.
    """
    system = platform if platform in {"darwin", "win32"} else "linux"
    pure = PureWindowsPath if system == "win32" else PurePosixPath
    found = []
    for pattern in client.user.get(system, ()):
        variable, _, rest = pattern.removeprefix("$").partition("/")
        base = _base(variable, env, windows=system == "win32")
        if base and pure(base).is_absolute():
            found.append(pure(base, rest))
    return tuple(found)


def _base(variable: str, env: Mapping[str, str], *, windows: bool) -> str:
    home = env.get("USERPROFILE" if windows else "HOME", "")
    if variable == "HOME":
        return home
    if variable == "CONFIG":  # the XDG Base Directory specification
        said = env.get("XDG_CONFIG_HOME", "")
        return said if said.startswith("/") else f"{home}/.config" if home else ""
    return env.get(variable, "")


def _named(fixed: Mapping[str, Any], name: str) -> dict[str, Any]:
    return {key: name if value is _NAME else value for key, value in fixed.items()}


_NAME: Final = object()
_JSON_SERVERS: Final = "restart it, or reload its servers"


def _everywhere(*paths: str) -> dict[str, tuple[str, ...]]:
    return dict.fromkeys(("linux", "darwin", "win32"), paths)


def _desktop(mac: str, linux: str, windows: str) -> dict[str, tuple[str, ...]]:
    return {"darwin": (mac,), "linux": (linux,), "win32": (windows,)}


CLIENTS: Final = {
    item.name: item
    for item in (
        KnownClient(
            name="claude-code",
            title="Claude Code",
            user=_everywhere("$CLAUDE_CONFIG_DIR/.claude.json", "$HOME/.claude.json"),
            project=(".mcp.json",),
            after="start a new session; /mcp shows its servers",
        ),
        KnownClient(
            name="claude-desktop",
            title="Claude Desktop",
            http=None,
            user=_desktop(
                "$HOME/Library/Application Support/Claude/claude_desktop_config.json",
                "$CONFIG/Claude/claude_desktop_config.json",
                "$APPDATA/Claude/claude_desktop_config.json",
            ),
            after="quit it and start it again",
        ),
        KnownClient(
            name="cursor",
            title="Cursor",
            user=_everywhere("$HOME/.cursor/mcp.json"),
            project=(".cursor/mcp.json",),
            after="switch the server on under Settings, MCP",
        ),
        KnownClient(
            name="vscode",
            title="VS Code",
            container="servers",
            user=_desktop(
                "$HOME/Library/Application Support/Code/User/mcp.json",
                "$CONFIG/Code/User/mcp.json",
                "$APPDATA/Code/User/mcp.json",
            ),
            project=(".vscode/mcp.json",),
            after="run the command MCP: List Servers and start it",
        ),
        KnownClient(
            name="windsurf",
            title="Windsurf",
            http=HttpEntry(url="serverUrl"),
            stdio=StdioEntry(),
            user=_everywhere("$HOME/.codeium/windsurf/mcp_config.json"),
            after=_JSON_SERVERS,
        ),
        KnownClient(
            name="zed",
            title="Zed",
            container="context_servers",
            http=HttpEntry(),
            stdio=StdioEntry(),
            user=_desktop(
                "$HOME/.config/zed/settings.json",
                "$CONFIG/zed/settings.json",
                "$APPDATA/Zed/settings.json",
            ),
            project=(".zed/settings.json",),
            after="it reads its settings at once",
        ),
        KnownClient(
            name="codex",
            title="Codex",
            container="mcp_servers",
            format="toml",
            http=HttpEntry(headers="http_headers"),
            stdio=StdioEntry(),
            user=_everywhere("$CODEX_HOME/config.toml", "$HOME/.codex/config.toml"),
            project=(".codex/config.toml",),
            after="start a new session; a project's file counts in trusted projects only",
        ),
        KnownClient(
            name="gemini",
            title="Gemini CLI",
            http=HttpEntry(url="httpUrl"),
            stdio=StdioEntry(),
            user=_everywhere("$HOME/.gemini/settings.json"),
            project=(".gemini/settings.json",),
            after="start a new session; /mcp shows its servers",
        ),
        KnownClient(
            name="opencode",
            title="opencode",
            container="mcp",
            http=HttpEntry(kind="remote", fixed={"enabled": True}),
            stdio=StdioEntry(args="", kind="local", fixed={"enabled": True}),
            user={
                "linux": ("$CONFIG/opencode/opencode.json", "$CONFIG/opencode/opencode.jsonc"),
                "darwin": ("$CONFIG/opencode/opencode.json", "$CONFIG/opencode/opencode.jsonc"),
                "win32": ("$HOME/.config/opencode/opencode.json",),
            },
            project=("opencode.json", "opencode.jsonc"),
            after="start it again",
        ),
        KnownClient(
            name="goose",
            title="Goose",
            container="extensions",
            format="yaml",
            http=HttpEntry(
                url="uri",
                kind="streamable_http",
                fixed={"name": _NAME, "enabled": True, "timeout": 300},
            ),
            stdio=StdioEntry(
                command="cmd",
                kind="stdio",
                fixed={"name": _NAME, "enabled": True, "timeout": 300},
            ),
            user={
                "linux": ("$CONFIG/goose/config.yaml",),
                "darwin": ("$CONFIG/goose/config.yaml",),
                "win32": ("$HOME/.config/goose/config.yaml",),
            },
            after="start a new session",
        ),
        KnownClient(
            name="jetbrains",
            title="JetBrains AI Assistant",
            after="paste it under Settings, Tools, AI Assistant, Model Context Protocol (MCP)",
        ),
        KnownClient(
            name="junie",
            title="JetBrains Junie",
            http=HttpEntry(),
            user=_everywhere("$HOME/.junie/mcp/mcp.json"),
            project=(".junie/mcp/mcp.json",),
            after=_JSON_SERVERS,
        ),
    )
}
