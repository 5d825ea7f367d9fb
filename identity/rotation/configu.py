"""A secret that others get from Configu."""

from __future__ import annotations

from identity.configu.client import ConfiguClient, PendingApproval
from identity.configu.config_set import ConfigKey
from identity.errors import TokenUnavailable
from identity.secret_stores.base import Secret


class ConfiguPublisher:
    """A `Publisher` into one config."""

    def __init__(self, client: ConfiguClient, place: ConfigKey) -> None:
        self._client = client
        self._place = place

    async def publish(self, value: Secret) -> str:
        """See `Publisher.publish`; what was written is read back."""
        answer = await self._client.upsert({self._place: value.reveal()})
        if isinstance(answer, PendingApproval):
            return answer.queue_url or "Configu"
        given = await self.given()
        if given is None or given.reveal() != value.reveal():
            raise TokenUnavailable(
                "Configu took the value, and gives another one",
                hint="does somebody else write to this config?",
            )
        return ""

    async def given(self) -> Secret | None:
        """See `Publisher.given`; a value without a character is none."""
        name, key = self._place
        found = (await self._client.get([name], [key])).get(self._place)
        return Secret(found) if found else None
