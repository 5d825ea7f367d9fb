"""`identity.secret_stores.keychain_process`, as the process that it is."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from identity.secret_stores.keychain_helper import COMMAND, KeychainHelper

#: What is run instead of `main`: a keychain that holds nothing, and tells how it is called.
_TELLING = """
from pathlib import Path
told = Path({file!r})
def state():
    told.write_text(str(gc.isenabled()))
    return "new"
it.serve(lambda: it.Backend(keyring=None, state=state), lock_file=told.with_suffix(".lock"))
"""


def test_garbage_is_collected_once_the_imports_are_done(tmp_path: Path) -> None:
    beginning, _, ending = COMMAND[-1].partition("; it.")
    assert ending == "main()"
    told = tmp_path / "told"
    program = f"{beginning}\n{_TELLING.format(file=str(told))}"
    command = (sys.executable, "-c", program)
    env = {"HOME": str(tmp_path), "PATH": os.environ["PATH"]}
    helper = KeychainHelper(env, command=command)
    try:
        answer = helper.call({"op": "names", "project": "acme", "area": "secrets", "asker": None})
    finally:
        helper.stop()
    assert answer["names"] == []
    assert told.read_text() == "True"
