"""A2A's own SDK, as a server and as clients, in environments of their own (see tests/programs/a2a
and a2a-0.3): nothing of ours, and nothing of theirs here.
"""

from __future__ import annotations

import os
import socket
import subprocess
from contextlib import suppress
from pathlib import Path
from typing import Final, Self

from tests.components import require_program
from tests.fakes.gateway_process import DEADLINE_S
from tests.fakes.scripted_upstream import wait_until
from tests.fakes.sdk_program import PYTHON, SdkProgram, run_whole
from tests.fakes.stack import free_port

#: What the servers ask for as `Authorization`, by HTTP.
TOKEN: Final = "a2a-0f1e2d3c4b5a69788796a5b4c3d2e1f0"

# What both versions of the agent do. It echoes; "work FILE" begins a task, tells of one step, waits
# until there is the file, tells of another and is done.
_AGENT: Final = """
import asyncio
import os
import sys
from pathlib import Path

import uvicorn
from starlette.applications import Starlette
from starlette.responses import JSONResponse

from a2a.server.agent_execution import AgentExecutor
from a2a.server.request_handlers import DefaultRequestHandler
from a2a.server.tasks import InMemoryTaskStore, TaskUpdater

PORT = int(sys.argv[1])
HERE = f"http://127.0.0.1:{PORT}"


class Agent(AgentExecutor):
    async def execute(self, context, queue):
        said = context.get_user_input()
        if not said.startswith("work "):
            await queue.enqueue_event(message("you said " + said, context))
            return
        await queue.enqueue_event(new_task(context.message))
        updater = TaskUpdater(queue, context.task_id, context.context_id)
        await updater.start_work()
        await updater.add_artifact([text("first")])
        while not Path(said[5:]).exists():
            await asyncio.sleep(0.02)
        await updater.add_artifact([text("second")])
        await updater.complete()

    async def cancel(self, context, queue):
        await TaskUpdater(queue, context.task_id, context.context_id).cancel()


class Guard:
    # Cards are public, all else needs the token.
    def __init__(self, app):
        self.app = app

    async def __call__(self, scope, receive, send):
        if scope["type"] == "http" and not scope["path"].startswith("/.well-known/"):
            given = dict(scope["headers"]).get(b"authorization", b"").decode()
            if given != "Bearer " + os.environ["AGENT_TOKEN"]:
                await JSONResponse({"detail": "who are you?"}, 401)(scope, receive, send)
                return
        await self.app(scope, receive, send)


async def serve(app):
    config = uvicorn.Config(Guard(app), host="127.0.0.1", port=PORT, log_level="warning")
    await uvicorn.Server(config).serve()
"""
_VERSION_1_0: Final = """
import grpc
from google.protobuf.json_format import ParseDict

from a2a.helpers.proto_helpers import new_task_from_user_message as new_task
from a2a.helpers.proto_helpers import new_text_message, new_text_part as text
from a2a.server.request_handlers.grpc_handler import GrpcHandler
from a2a.server.routes.agent_card_routes import create_agent_card_routes
from a2a.server.routes.jsonrpc_routes import create_jsonrpc_routes
from a2a.server.routes.rest_routes import create_rest_routes
from a2a.types import a2a_pb2_grpc
from a2a.types.a2a_pb2 import AgentCard
from a2a.utils.signing import create_agent_card_signer

GRPC = int(sys.argv[2])
CARD = {
    "name": "planner",
    "description": "plans",
    "version": "1.0.0",
    "supportedInterfaces": [
        {"url": f"127.0.0.1:{GRPC}", "protocolBinding": "GRPC", "protocolVersion": "1.0"},
        {"url": f"{HERE}/a2a", "protocolBinding": "JSONRPC", "protocolVersion": "1.0"},
        {"url": f"{HERE}/rest", "protocolBinding": "HTTP+JSON", "protocolVersion": "1.0"},
    ],
    "capabilities": {"streaming": True, "extendedAgentCard": True},
    "securitySchemes": {
        "mtls": {"mtlsSecurityScheme": {}},
        "token": {"httpAuthSecurityScheme": {"scheme": "Bearer"}},
    },
    "securityRequirements": [{"schemes": {"mtls": {}, "token": {}}}],
    "defaultInputModes": ["text/plain"],
    "defaultOutputModes": ["text/plain"],
    "skills": [{"id": "plan", "name": "plan", "description": "plans", "tags": ["plan"]}],
}


def message(said, context):
    return new_text_message(said, context_id=context.context_id, task_id=context.task_id)


def card(name):
    made = ParseDict(CARD | {"name": name}, AgentCard())
    return create_agent_card_signer("k" * 32, {"alg": "HS256", "kid": "k", "typ": "JOSE"})(made)


async def main():
    handler = DefaultRequestHandler(
        agent_executor=Agent(),
        task_store=InMemoryTaskStore(),
        agent_card=card("planner"),
        extended_agent_card=card("planner, extended"),
    )
    server = grpc.aio.server()
    a2a_pb2_grpc.add_A2AServiceServicer_to_server(GrpcHandler(handler), server)
    server.add_insecure_port(f"127.0.0.1:{GRPC}")
    await server.start()
    routes = create_agent_card_routes(card("planner"), cache_control="max-age=60")
    routes += create_jsonrpc_routes(handler, "/a2a")
    routes += create_rest_routes(handler, path_prefix="/rest")
    await serve(Starlette(routes=routes))


asyncio.run(main())
"""
_VERSION_0_3: Final = """
from a2a.server.apps import A2AStarletteApplication
from a2a.types import AgentCard, Part, TextPart
from a2a.utils import new_agent_text_message, new_task

CARD = {
    "name": "planner",
    "description": "plans",
    "version": "1.0.0",
    "url": f"{HERE}/a2a",
    "preferredTransport": "JSONRPC",
    "additionalInterfaces": [{"url": f"{HERE}/a2a", "transport": "JSONRPC"}],
    "protocolVersion": "0.3.0",
    "capabilities": {"streaming": True},
    "supportsAuthenticatedExtendedCard": True,
    "securitySchemes": {
        "mtls": {"type": "mutualTLS"},
        "token": {"type": "http", "scheme": "bearer"},
    },
    "security": [{"mtls": [], "token": []}],
    "defaultInputModes": ["text/plain"],
    "defaultOutputModes": ["text/plain"],
    "skills": [{"id": "plan", "name": "plan", "description": "plans", "tags": ["plan"]}],
}


def message(said, context):
    return new_agent_text_message(said, context.context_id, context.task_id)


def text(said):
    return Part(root=TextPart(text=said))


handler = DefaultRequestHandler(agent_executor=Agent(), task_store=InMemoryTaskStore())
app = A2AStarletteApplication(
    agent_card=AgentCard(**CARD),
    http_handler=handler,
    extended_agent_card=AgentCard(**(CARD | {"name": "planner, extended"})),
)
asyncio.run(serve(app.build(rpc_url="/a2a")))
"""
_PROGRAM: Final = """
import asyncio
import json
import sys

import httpx
from a2a.client import A2ACardResolver, ClientConfig, ClientFactory


def say(value):
    print(json.dumps(value), flush=True)

{helpers}
{work}

async def main():
    async with httpx.AsyncClient(timeout=30) as http:
        card = await A2ACardResolver(http, sys.argv[1]).get_agent_card()
        await work(card, http, *sys.argv[2:])


asyncio.run(main())
"""
_CLIENT_1_0: Final = """
import grpc
from google.protobuf.json_format import MessageToDict

from a2a.helpers.proto_helpers import new_text_message
from a2a.types.a2a_pb2 import (
    CancelTaskRequest,
    GetExtendedAgentCardRequest,
    Role,
    SendMessageRequest,
    SubscribeToTaskRequest,
)


def plain(message):
    return MessageToDict(message)


def client_of(card, http, binding, streaming=True):
    return ClientFactory(
        ClientConfig(
            httpx_client=http,
            streaming=streaming,
            supported_protocol_bindings=[binding],
            grpc_channel_factory=grpc.aio.insecure_channel,
        )
    ).create(card)


def asks(said):
    return SendMessageRequest(message=new_text_message(said, role=Role.ROLE_USER))
"""
_CLIENT_0_3: Final = """
from a2a.client import create_text_message_object
from a2a.types import TaskIdParams


def plain(message):
    return message.model_dump(mode="json", by_alias=True, exclude_none=True)


def client_of(card, http, streaming=True):
    return ClientFactory(ClientConfig(httpx_client=http, streaming=streaming)).create(card)
"""
_HELPERS: Final = {"a2a": _CLIENT_1_0, "a2a-0.3": _CLIENT_0_3}
_SERVERS: Final = {"a2a": _VERSION_1_0, "a2a-0.3": _VERSION_0_3}


class A2aServer:
    """An agent of the protocol that the environment's SDK speaks, in plaintext; a context manager.

    Attributes:
        port: where it speaks HTTP, on 127.0.0.1; `grpc_port` where gRPC, of 1.0 alone.
    """

    def __init__(self, folder: Path, environment: str) -> None:
        self._folder = folder
        self._environment = environment
        self.port = free_port()
        self.grpc_port = free_port()

    def __enter__(self) -> Self:
        log = self._folder / "server.log"
        ports = str(self.port), str(self.grpc_port)
        with log.open("wb") as file:
            self._process = subprocess.Popen(
                [*PYTHON, "-c", _AGENT + _SERVERS[self._environment], *ports],
                env=environment(self._environment) | {"AGENT_TOKEN": TOKEN},
                stdout=file,
                stderr=file,
            )

        def serves() -> bool:
            assert self._process.poll() is None, log.read_text()[-2000:]
            with suppress(OSError), socket.create_connection(("127.0.0.1", self.port)):
                return True
            return False

        wait_until(serves, 30)
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait(DEADLINE_S)


class A2aProgram(SdkProgram):
    """A program with the environment's SDK that runs: `work(card, http, *arguments)`, with `say`
    and the helpers above in it, which reads the card at `url`. A context manager.
    """

    def __init__(self, environment_name: str, url: str, work: str, *arguments: object) -> None:
        program = _PROGRAM.format(helpers=_HELPERS[environment_name], work=work)
        super().__init__(program, environment(environment_name), url, *arguments)


def run_program(environment_name: str, text: str) -> subprocess.CompletedProcess[str]:
    """A whole program in the environment."""
    return run_whole(text, environment(environment_name))


def environment(name: str) -> dict[str, str]:
    """The variables that its programs run with."""
    return os.environ | {"PYTHONPATH": str(require_program(name)), "NO_PROXY": "127.0.0.1"}
