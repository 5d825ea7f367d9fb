"""`gateway.injection.agents`."""

from __future__ import annotations

import pytest

from gateway.injection.agents import agent_in


@pytest.mark.parametrize(
    ("environ", "agent"),
    [
        ({}, ""),
        ({"PATH": "/bin", "TERM": "xterm", "EDITOR": "cursor"}, ""),
        ({"CLAUDECODE": "1"}, "Claude Code"),
        ({"CLAUDECODE": ""}, ""),
        ({"CURSOR_TRACE_ID": "x"}, "Cursor"),
        ({"AIDER_MODEL": "x"}, "Aider"),
        ({"CODEX_SANDBOX": "seatbelt"}, "Codex"),
        ({"GEMINI_CLI": "1"}, "Gemini CLI"),
    ],
)
def test_agents_are_known_by_their_variables(environ: dict[str, str], agent: str) -> None:
    assert agent_in(environ) == agent
