"""A client of the SPIFFE Workload API on grpcio and protobuf's own runtime, with the messages of
the standard's workload.proto. Calls block; none of the gateway's code is in it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import grpc
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

from tests.fakes.gateway_process import DEADLINE_S

SECURITY: Final = (("workload.spiffe.io", "true"),)
_STRING: Final = descriptor_pb2.FieldDescriptorProto.TYPE_STRING
_BYTES: Final = descriptor_pb2.FieldDescriptorProto.TYPE_BYTES
_MESSAGE: Final = descriptor_pb2.FieldDescriptorProto.TYPE_MESSAGE
_ONE: Final = descriptor_pb2.FieldDescriptorProto.LABEL_OPTIONAL
_MANY: Final = descriptor_pb2.FieldDescriptorProto.LABEL_REPEATED


def _messages() -> dict[str, Any]:
    file = descriptor_pb2.FileDescriptorProto(name="workload.proto", syntax="proto3")

    def message(owner: Any, name: str, *fields: tuple[str, int, int, int, str]) -> Any:
        made = owner.add(name=name)
        for text, number, kind, label, of in fields:
            made.field.add(name=text, number=number, type=kind, label=label, type_name=of or None)
        return made

    def pairs(owner: Any, name: str) -> None:
        entry = message(
            owner.nested_type,
            name,
            ("key", 1, _STRING, _ONE, ""),
            ("value", 2, _BYTES, _ONE, ""),
        )
        entry.options.MergeFrom(descriptor_pb2.MessageOptions(map_entry=True))

    top = file.message_type
    for empty in ("X509SVIDRequest", "X509BundlesRequest", "JWTBundlesRequest"):
        message(top, empty)
    message(
        top,
        "X509SVID",
        ("spiffe_id", 1, _STRING, _ONE, ""),
        ("x509_svid", 2, _BYTES, _ONE, ""),
        ("x509_svid_key", 3, _BYTES, _ONE, ""),
        ("bundle", 4, _BYTES, _ONE, ""),
        ("hint", 5, _STRING, _ONE, ""),
    )
    svids = message(
        top,
        "X509SVIDResponse",
        ("svids", 1, _MESSAGE, _MANY, ".X509SVID"),
        ("crl", 2, _BYTES, _MANY, ""),
        ("federated_bundles", 3, _MESSAGE, _MANY, ".X509SVIDResponse.FederatedBundlesEntry"),
    )
    pairs(svids, "FederatedBundlesEntry")
    bundles = message(
        top,
        "X509BundlesResponse",
        ("crl", 1, _BYTES, _MANY, ""),
        ("bundles", 2, _MESSAGE, _MANY, ".X509BundlesResponse.BundlesEntry"),
    )
    pairs(bundles, "BundlesEntry")
    message(
        top,
        "JWTSVIDRequest",
        ("audience", 1, _STRING, _MANY, ""),
        ("spiffe_id", 2, _STRING, _ONE, ""),
    )
    message(
        top,
        "ValidateJWTSVIDRequest",
        ("audience", 1, _STRING, _ONE, ""),
        ("svid", 2, _STRING, _ONE, ""),
    )
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return {
        item.name: message_factory.GetMessageClass(pool.FindMessageTypeByName(item.name))
        for item in top
    }


MESSAGES: Final = _messages()


class WorkloadClient:
    """Calls on one channel; each gives grpcio's own object."""

    def __init__(self, channel: grpc.Channel) -> None:
        self._channel = channel

    def svids(self, *, metadata: Sequence[tuple[str, str]] = SECURITY) -> Any:
        """A stream of X509SVIDResponse."""
        return self._stream("FetchX509SVID", "X509SVIDRequest", "X509SVIDResponse", metadata)

    def bundles(self) -> Any:
        """A stream of X509BundlesResponse."""
        return self._stream(
            "FetchX509Bundles", "X509BundlesRequest", "X509BundlesResponse", SECURITY
        )

    def status_of(self, method: str, request: Any) -> grpc.StatusCode:
        """How a unary call of `method` ends."""
        call = self._channel.unary_unary(
            f"/SpiffeWorkloadAPI/{method}", request_serializer=type(request).SerializeToString
        )
        try:
            call(request, metadata=SECURITY, timeout=DEADLINE_S)
        except grpc.RpcError as error:
            return error.code()
        return grpc.StatusCode.OK

    def _stream(
        self, method: str, request: str, reply: str, metadata: Sequence[tuple[str, str]]
    ) -> Any:
        call = self._channel.unary_stream(
            f"/SpiffeWorkloadAPI/{method}",
            request_serializer=MESSAGES[request].SerializeToString,
            response_deserializer=MESSAGES[reply].FromString,
        )
        return call(MESSAGES[request](), metadata=metadata)


@contextmanager
def workload_client(socket: Path) -> Iterator[WorkloadClient]:
    """A channel to the socket."""
    options = [("grpc.use_local_subchannel_pool", 1)]
    with grpc.insecure_channel(f"unix:{socket}", options=options) as channel:
        yield WorkloadClient(channel)


def failure(call: Any) -> grpc.StatusCode:
    """How a stream ends, whose messages so far are skipped."""
    try:
        for _ in call:
            continue
    except grpc.RpcError as error:
        return error.code()
    return grpc.StatusCode.OK
