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
        if not await self.holds(value):
            raise TokenUnavailable(
                "Configu took the value, and gives another one",
                hint="does somebody else write to this config?",
            )
        return ""

    async def holds(self, value: Secret) -> bool:
        """See `Publisher.holds`."""
        name, key = self._place
        found = await self._client.get([name], [key])
        return found.get(self._place) == value.reveal()
