"""From a table `[audit.forward.NAME]` to the forwarder that it asks for."""

from __future__ import annotations

import random
import socket
from collections.abc import Callable

from gateway.audit.journal import Journal
from gateway.config.audit_model import ForwardConfig
from gateway.control_plane.forwarding.forwarder import Forwarder, NameKey, Pause
from gateway.control_plane.forwarding.http_post import Poster
from gateway.control_plane.forwarding.langsmith import LangSmithRuns
from gateway.control_plane.forwarding.otlp_logs import OtlpLogs
from gateway.control_plane.forwarding.record import Destination
from gateway.control_plane.forwarding.syslog_link import SyslogDatagrams, SyslogStream
from gateway.control_plane.forwarding.syslog_message import Sender
from gateway.control_plane.snapshots import Attached


def open_forwarder(
    item: ForwardConfig,
    journal: Journal,
    *,
    attached: Callable[[], Attached],
    name_key: NameKey,
    version: str,
    rng: random.Random,
    pause: Pause,
) -> Forwarder:
    """A forwarder that hasn't begun. `attached` tells the values of the headers that `item` has."""
    if item.kind == "syslog":
        destination = _syslog(item, version)
    else:
        destination = _collector(item, journal.project, attached, version)
    return Forwarder(item, journal.path, destination, name_key=name_key, rng=rng, pause=pause)


def _syslog(item: ForwardConfig, version: str) -> Destination:
    sender = Sender(facility=item.facility, hostname=socket.gethostname(), version=version)
    if item.to.startswith(("unix:", "udp:")):
        return SyslogDatagrams(item.to, sender)
    return SyslogStream(item.to, sender, ca_file=item.ca_file)


def _collector(
    item: ForwardConfig, project: str, attached: Callable[[], Attached], version: str
) -> Destination:
    path = "/runs/batch" if item.kind == "langsmith" else "/v1/logs"
    poster = Poster(
        item.to + path,
        attached=attached if item.headers else Attached,
        version=version,
        ca_file=item.ca_file,
    )
    if item.kind == "langsmith":
        return LangSmithRuns(poster, session=item.project)
    return OtlpLogs(poster, version=version, project=project)
