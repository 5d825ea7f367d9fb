"""Whether a coding agent is behind a command: agents keep what they see. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

#: Variables that agents set for the commands that they run, by whose they are.
_MARKERS: Final = {
    "CLAUDECODE": "Claude Code",
    "CLAUDE_CODE_ENTRYPOINT": "Claude Code",
    "CURSOR_AGENT": "Cursor",
    "CODEX_SANDBOX": "Codex",
    "GEMINI_CLI": "Gemini CLI",
    "OPENCODE": "opencode",
    "GOOSE_TERMINAL": "Goose",
    "AGENT": "an agent",
    "AI_AGENT": "an agent",
    "AIDER_MODEL": "Aider",
    "CLINE_ACTIVE": "Cline",
    "AUGMENT_AGENT": "Augment",
    "AMP_CURRENT_THREAD_ID": "Amp",
    "REPLIT_AGENT": "Replit",
}
_BEGINNINGS: Final = {
    "CURSOR_": "Cursor",
    "AIDER_": "Aider",
    "CODEX_": "Codex",
    "CLAUDE_CODE_": "Claude Code",
    "WINDSURF_": "Windsurf",
    "COPILOT_AGENT_": "Copilot",
}


def agent_in(environ: Mapping[str, str]) -> str:
    """Whose marks are in the environment, or "". They prove nothing: whoever wants may remove them;
    they tell an agent that obeys from a person.
    """
    for name, whose in _MARKERS.items():
        if environ.get(name):
            return whose
    for name in environ:
        for beginning, whose in _BEGINNINGS.items():
            if name.startswith(beginning):
                return whose
    return ""
