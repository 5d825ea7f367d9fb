"""A security key in software: CTAP 2.1 with PIN/UV protocol 2 and hmac-secret, for python-fido2.

The specification is "Client to Authenticator Protocol (CTAP)" 2.1, sections 6.1 (makeCredential),
6.2 (getAssertion), 6.4 (getInfo), 6.5 (clientPIN) and 12.5 (hmac-secret).
"""

from __future__ import annotations

import copy
import hashlib
import hmac
import os
import struct
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from threading import Event
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from fido2 import cbor
from fido2.cose import ES256
from fido2.ctap import STATUS, CtapDevice, CtapError
from fido2.hid import CAPABILITY, CTAPHID

ERR = CtapError.ERR
AAGUID = bytes(range(16))
_UP, _UV, _AT, _ED = 0x01, 0x04, 0x40, 0x80
_PIN_TRIES = 8
_TRIES_A_PLUGGING = 3


class _Failed(Exception):
    def __init__(self, code: int) -> None:
        self.code = code


_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551  # of P-256


class _Credential:
    """A credential whose id is all that is kept of it, as in keys without room: the rest follows
    from the id and the key's seed.
    """

    def __init__(self, seed: bytes, credential: bytes) -> None:
        self.id = credential
        self.protect = credential[16]
        number = int.from_bytes(self._derived(seed, b"key"), "big") % (_ORDER - 1) + 1
        self.key = ec.derive_private_key(number, ec.SECP256R1())
        #: With the person verified, and without: they are two secrets.
        self.secrets = self._derived(seed, b"with"), self._derived(seed, b"without")

    def _derived(self, seed: bytes, purpose: bytes) -> bytes:
        return hmac.digest(seed, purpose + self.id, "sha256")


def _new_id(seed: bytes, rp_id: str, protect: int) -> bytes:
    head = os.urandom(16) + bytes([protect])
    return head + hmac.digest(seed, rp_id.encode() + head, "sha256")


def _is_own(seed: bytes, rp_id: str, credential: bytes) -> bool:
    expected = hmac.digest(seed, rp_id.encode() + credential[:17], "sha256")
    return len(credential) == 49 and hmac.compare_digest(expected, credential[17:])


@dataclass
class Authenticator(CtapDevice):
    """One key. Its owner touches it when asked unless `touches` is False; `unplugged` makes every
    call fail as a lost USB device does.
    """

    pin: str = ""
    touches: bool = True
    unplugged: bool = False
    counts: bool = True
    always_verifies: bool = False
    tells_of_plugging: bool = True
    extensions: tuple[str, ...] = ("hmac-secret", "credProtect")
    tries: int = _PIN_TRIES
    counter: int = 0
    asked: int = 0
    on_touch: Callable[[], None] = lambda: None
    after_call: Callable[[], None] = lambda: None
    seed: bytes = field(default_factory=lambda: os.urandom(32))
    _tries_left: int = _TRIES_A_PLUGGING
    _agreement: ec.EllipticCurvePrivateKey = field(
        default_factory=lambda: ec.generate_private_key(ec.SECP256R1())
    )
    _token: bytes = field(default_factory=lambda: os.urandom(32))

    # -- what its owner does ----------------------------------------------------------------------

    def replug(self) -> None:
        """Take it out, and put it in again."""
        self.unplugged = False
        self._tries_left = _TRIES_A_PLUGGING

    def clone(self) -> Authenticator:
        """A copy of all that is in it, as it is now."""
        return copy.copy(self)

    # -- CtapDevice -------------------------------------------------------------------------------

    @property
    def capabilities(self) -> int:
        return CAPABILITY.CBOR

    @classmethod
    def list_devices(cls) -> Iterator[CtapDevice]:
        raise NotImplementedError("a test lists its own")

    def call(
        self,
        cmd: int,
        data: bytes = b"",
        event: Event | None = None,
        on_keepalive: Callable[[STATUS], None] | None = None,
    ) -> bytes:
        if self.unplugged:
            raise OSError(19, "No such device")
        assert cmd == CTAPHID.CBOR
        request: Any = cbor.decode(data[1:]) if data[1:] else {}
        commands = {
            1: self._make,
            2: self._assert,
            4: self._info,
            6: self._client_pin,
            0x0B: self._selection,
        }
        try:
            answer = commands[data[0]](request, event or Event(), on_keepalive)
        except _Failed as failed:
            return bytes([failed.code])
        finally:
            self.after_call()
        return b"\0" + (cbor.encode(answer) if answer else b"")

    # -- commands ---------------------------------------------------------------------------------

    def _selection(
        self, request: Mapping[int, Any], event: Event, keepalive: Callable[[STATUS], None] | None
    ) -> Mapping[int, Any]:
        self._touch(event, keepalive)
        return {}

    def _info(
        self, request: Mapping[int, Any], event: Event, keepalive: Callable[[STATUS], None] | None
    ) -> Mapping[int, Any]:
        options: dict[str, bool] = {
            "rk": True,
            "up": True,
            "alwaysUv": self.always_verifies,
            "clientPin": bool(self.pin),
            "pinUvAuthToken": True,
            "makeCredUvNotRqd": not self.always_verifies,
        }
        return {
            1: ["FIDO_2_0", "FIDO_2_1"],
            2: list(self.extensions),
            3: AAGUID,
            4: options,
            5: 1200,
            6: [2],
            7: 8,
            8: 128,
        }

    def _make(
        self, request: Mapping[int, Any], event: Event, keepalive: Callable[[STATUS], None] | None
    ) -> Mapping[int, Any]:
        rp_id = request[2]["id"]
        verified = self._verified(request[1], request.get(8))
        if not verified and self.always_verifies:
            raise _Failed(ERR.PUAT_REQUIRED)
        self._touch(event, keepalive)
        if self._found(rp_id, request.get(5) or [], verified=verified):
            raise _Failed(ERR.CREDENTIAL_EXCLUDED)
        if ES256.ALGORITHM not in [item["alg"] for item in request[4]]:
            raise _Failed(ERR.UNSUPPORTED_ALGORITHM)
        wanted = request.get(6) or {}
        protect = wanted.get("credProtect", 1)
        made = _Credential(self.seed, _new_id(self.seed, rp_id, protect))
        numbers = made.key.public_key().public_numbers()
        x, y = (number.to_bytes(32, "big") for number in (numbers.x, numbers.y))
        public = cbor.encode({1: 2, 3: ES256.ALGORITHM, -1: 1, -2: x, -3: y})
        attested = AAGUID + struct.pack(">H", len(made.id)) + made.id + public
        outputs = {name: wanted[name] for name in ("hmac-secret", "credProtect") if name in wanted}
        data = self._data(rp_id, verified=verified, attested=attested, outputs=outputs)
        return {1: "none", 2: data, 3: {}}

    def _assert(
        self, request: Mapping[int, Any], event: Event, keepalive: Callable[[STATUS], None] | None
    ) -> Mapping[int, Any]:
        rp_id, client_hash = request[1], request[2]
        present = (request.get(5) or {}).get("up", True)
        verified = self._verified(client_hash, request.get(6))
        if present and not verified and self.always_verifies:
            raise _Failed(ERR.PUAT_REQUIRED)
        found = self._found(rp_id, request.get(3) or [], verified=verified)
        if present:
            self._touch(event, keepalive)
        if not found:
            raise _Failed(ERR.NO_CREDENTIALS)
        used = found[0]
        outputs = {}
        if present and "hmac-secret" in (request.get(4) or {}):
            outputs["hmac-secret"] = self._secret(used, request[4]["hmac-secret"], verified)
        data = self._data(rp_id, present=present, verified=verified, outputs=outputs)
        signature = used.key.sign(data + client_hash, ec.ECDSA(SHA256()))
        return {1: {"type": "public-key", "id": used.id}, 2: data, 3: signature}

    def _client_pin(
        self, request: Mapping[int, Any], event: Event, keepalive: Callable[[STATUS], None] | None
    ) -> Mapping[int, Any]:
        command = request[2]
        if command == 1:
            # Keys of 2.0 tell nothing of the power cycle; those that do say it by a boolean.
            state = {4: self._tries_left == 0} if self.tells_of_plugging else {}
            return {3: self.tries} | state
        if command == 2:
            public = self._agreement.public_key().public_numbers()
            x, y = (number.to_bytes(32, "big") for number in (public.x, public.y))
            return {1: {1: 2, 3: -25, -1: 1, -2: x, -3: y}}
        if command != 9:
            raise _Failed(ERR.INVALID_SUBCOMMAND)
        return {2: self._token_for(request)}

    def _token_for(self, request: Mapping[int, Any]) -> bytes:
        if not self.pin:
            raise _Failed(ERR.PIN_NOT_SET)
        if self.tries == 0:
            raise _Failed(ERR.PIN_BLOCKED)
        if self._tries_left == 0:
            raise _Failed(ERR.PIN_AUTH_BLOCKED)
        keys = self._shared(request[3])
        self.tries -= 1
        if _decrypt(keys, request[6]) != hashlib.sha256(self.pin.encode()).digest()[:16]:
            self._tries_left -= 1
            self._agreement = ec.generate_private_key(ec.SECP256R1())
            blocked = ERR.PIN_AUTH_BLOCKED if self._tries_left == 0 else ERR.PIN_INVALID
            raise _Failed(ERR.PIN_BLOCKED if self.tries == 0 else blocked)
        self.tries, self._tries_left = _PIN_TRIES, _TRIES_A_PLUGGING
        return _encrypt(keys, self._token)

    # -- parts ------------------------------------------------------------------------------------

    def _touch(self, event: Event, keepalive: Callable[[STATUS], None] | None) -> None:
        self.asked += 1
        if keepalive is not None:
            keepalive(STATUS.UPNEEDED)
        if event.is_set():
            raise _Failed(ERR.KEEPALIVE_CANCEL)
        if not self.touches:
            raise _Failed(ERR.USER_ACTION_TIMEOUT)
        self.on_touch()
        if self.unplugged:
            raise OSError(19, "No such device")

    def _verified(self, message: bytes, auth: bytes | None) -> bool:
        if auth is None:
            return False
        if not hmac.compare_digest(hmac.digest(self._token, message, "sha256"), auth):
            raise _Failed(ERR.PIN_AUTH_INVALID)
        return True

    def _found(
        self, rp_id: str, listed: list[Mapping[str, Any]], *, verified: bool
    ) -> list[_Credential]:
        ids = [item["id"] for item in listed if _is_own(self.seed, rp_id, item["id"])]
        found = [_Credential(self.seed, credential) for credential in ids]
        return [one for one in found if verified or one.protect < 3]

    def _data(
        self,
        rp_id: str,
        *,
        present: bool = True,
        verified: bool,
        attested: bytes = b"",
        outputs: Mapping[str, Any],
    ) -> bytes:
        if present and self.counts:
            self.counter += 1
        flags = _UP * present | _UV * verified | _AT * bool(attested) | _ED * bool(outputs)
        head = hashlib.sha256(rp_id.encode()).digest() + struct.pack(">BI", flags, self.counter)
        return head + attested + (cbor.encode(dict(outputs)) if outputs else b"")

    def _secret(self, used: _Credential, asked: Mapping[int, Any], verified: bool) -> bytes:
        keys = self._shared(asked[1])
        if not hmac.compare_digest(hmac.digest(keys[:32], asked[2], "sha256"), asked[3]):
            raise _Failed(ERR.PIN_AUTH_INVALID)
        salts = _decrypt(keys, asked[2])
        secret = used.secrets[0 if verified else 1]
        parts = (salts[start : start + 32] for start in range(0, len(salts), 32))
        return _encrypt(keys, b"".join(hmac.digest(secret, part, "sha256") for part in parts))

    def _shared(self, peer: Mapping[int, Any]) -> bytes:
        x, y = (int.from_bytes(peer[place], "big") for place in (-2, -3))
        public = ec.EllipticCurvePublicNumbers(x, y, ec.SECP256R1()).public_key()
        z = self._agreement.exchange(ec.ECDH(), public)
        infos = (b"CTAP2 HMAC key", b"CTAP2 AES key")
        return b"".join(HKDF(SHA256(), 32, bytes(32), info).derive(z) for info in infos)


def _decrypt(keys: bytes, data: bytes) -> bytes:
    cipher = Cipher(algorithms.AES(keys[32:]), modes.CBC(data[:16])).decryptor()
    return cipher.update(data[16:]) + cipher.finalize()


def _encrypt(keys: bytes, data: bytes) -> bytes:
    iv = os.urandom(16)
    cipher = Cipher(algorithms.AES(keys[32:]), modes.CBC(iv)).encryptor()
    return iv + cipher.update(data) + cipher.finalize()
