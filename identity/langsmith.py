"""LangSmith API keys: which kind one is, and whether the server takes it."""

from __future__ import annotations

import re
from typing import Final

from identity.errors import TokenDenied
from identity.secret_stores.base import Secret
from identity.token_sources.call import Caller

DEFAULT_ENDPOINT: Final = "https://api.smith.langchain.com"
#: The secret that holds a key unless another name is given.
KEY_NAME: Final = "langsmith-api-key"

_FORM: Final = re.compile(r"lsv2_(pt|sk)_[A-Za-z0-9_-]{16,256}")
_KINDS: Final = {"pt": "personal access token", "sk": "service key"}
_OLD: Final = "ls__"


def kind_of(key: Secret) -> str:
    """What a key is called, by its prefix. Raises `TokenDenied`, which shows nothing of it."""
    text = key.reveal()
    if found := _FORM.fullmatch(text):
        return _KINDS[found[1]]
    if not text:
        raise TokenDenied("no LangSmith API key was given", hint="type or pipe it")
    if text.startswith(_OLD):
        raise TokenDenied(
            "this is a LangSmith key of the old kind, which the server takes no more",
            hint="make a new one in the settings: it begins with lsv2_pt_ or lsv2_sk_",
        )
    raise TokenDenied(
        "this is not a LangSmith API key",
        hint="personal access tokens begin with lsv2_pt_, service keys with lsv2_sk_, "
        "and 16 or more letters and digits follow: was all of it copied?",
    )


class LangSmith:
    """A LangSmith server, by the address that its own clients are given.

    Raises:
        TokenDenied: the address is neither https nor of this machine.
    """

    def __init__(self, endpoint: str) -> None:
        self._caller = Caller(endpoint.rstrip("/"), what="LangSmith")

    async def check(self, key: Secret, *, workspace: str) -> None:
        """Ask for the first project's name with `key`, which changes nothing.

        Raises:
            TokenUnavailable: the server can't be asked.
            TokenDenied: it doesn't take the key.
        """
        headers = {"x-api-key": key.reveal()}
        if workspace:
            headers["X-Tenant-Id"] = workspace
        answer = await self._caller.call("GET", "/sessions", query={"limit": "1"}, headers=headers)
        if answer.status == 200:
            return
        hint = "was it deleted, or is it another server's? --endpoint says which"
        if answer.status == 403 and not workspace:
            hint = "a key of several workspaces needs --workspace with the id of one"
        raise self._caller.refused(answer, hint=hint)
