"""What a confined worker may do beyond its work, as words of its command line."""

from __future__ import annotations

from typing import Final

#: Connect Unix sockets: an ingress leads to one.
UNIX_SOCKETS: Final = "unix-sockets"
#: See which program a caller is: a rule names one, or a Unix socket is listened on.
OTHER_PROGRAMS: Final = "other-programs"
