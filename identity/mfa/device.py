"""Security keys that are plugged in: the one module that speaks to them, through python-fido2.

Every call blocks until a person has touched a key, so it is made by commands and threads only.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Final, Protocol

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from fido2.client import (
    ClientError,
    DefaultClientDataCollector,
    Fido2Client,
    PinRequiredError,
    UserInteraction,
)
from fido2.cose import ES256, CoseKey, EdDSA
from fido2.ctap import CtapDevice, CtapError
from fido2.ctap2.base import Ctap2
from fido2.ctap2.extensions import CredProtectExtension, HmacSecretExtension
from fido2.ctap2.pin import ClientPin
from fido2.hid import CtapHidDevice
from fido2.utils import websafe_encode
from fido2.webauthn import (
    AuthenticatorSelectionCriteria,
    PublicKeyCredentialCreationOptions,
    PublicKeyCredentialDescriptor,
    PublicKeyCredentialParameters,
    PublicKeyCredentialRequestOptions,
    PublicKeyCredentialRpEntity,
    PublicKeyCredentialType,
    PublicKeyCredentialUserEntity,
    ResidentKeyRequirement,
    UserVerificationRequirement,
)

from identity.errors import SecurityKeyUnavailable, TouchDenied
from identity.fault import Fault
from identity.mfa.assertion import ORIGIN, RP_ID, Proof
from identity.mfa.ceremony import Candidate, NewCredential, Touch
from identity.secret_stores.base import Secret

#: How long a person has, with finding the key.
TOUCH_S: Final = 60.0
_ALGORITHMS: Final = (ES256.ALGORITHM, EdDSA.ALGORITHM)
_PRF: Final = "hmac-secret"


class Person(Protocol):
    """Who touches. Both may be called from another thread."""

    def touch(self) -> None:
        """Say that a key waits to be touched."""
        ...

    def pin(self) -> Secret:
        """The PIN of the key, typed unseen; an empty one gives up."""
        ...


Lister = Callable[[], Iterable[CtapDevice]]


class SecurityKeys:
    """`ceremony.Keys` over the ones that are plugged in; `devices` lists them each time anew."""

    def __init__(self, person: Person, devices: Lister | None = None) -> None:
        self._person = person
        self._devices = devices or plugged_in

    def enrol(
        self,
        *,
        name: str,
        verified: bool | None,
        known: Sequence[bytes],
        timeout_s: float = TOUCH_S,
    ) -> NewCredential:
        """Make a credential on a key that has none of the `known` ones. `verified` of None takes
        the stricter mode that the key is set up for.

        Raises:
            SecurityKeyUnavailable, TouchDenied.
        """
        with self._chosen(timeout_s) as device, _faults(device):
            client = self._client(device)
            mode = _mode(client, wanted=verified)
            made = client.make_credential(
                _creation(name, verified=mode, known=known, timeout_s=timeout_s)
            )
            data = made.response.attestation_object.auth_data
            credential = data.credential_data
            if credential is None or (mode and not data.is_user_verified()):
                raise TouchDenied("the key made a credential that is not what was asked for")
            return NewCredential(
                credential=credential.credential_id,
                public_key=_spki(credential.public_key),
                verified=mode,
                aaguid=str(credential.aaguid),
            )

    def touch(
        self, challenge: bytes, candidates: Sequence[Candidate], *, timeout_s: float = TOUCH_S
    ) -> Touch:
        """Have `challenge` signed by the key of one of `candidates`. What it signed has still to
        be checked: see `check_proof`.

        Raises:
            SecurityKeyUnavailable, TouchDenied.
        """
        with self._chosen(timeout_s) as device, _faults(device):
            client = self._client(device)
            asked = _asked(device, candidates)
            selection = client.get_assertion(_request(challenge, asked, timeout_s))
            response = selection.get_response(0)
            answer = response.client_extension_results.prf
            if answer is None or answer.results is None:
                raise SecurityKeyUnavailable("the key gave no secret")
            return Touch(
                credential=response.raw_id,
                proof=Proof(
                    bytes(response.response.client_data),
                    bytes(response.response.authenticator_data),
                    response.response.signature,
                ),
                secret=bytes(answer.results.first),
            )

    def _client(self, device: CtapDevice) -> Fido2Client:
        client = Fido2Client(
            device,
            DefaultClientDataCollector(ORIGIN),
            _Interaction(self._person, device),
            extensions=[HmacSecretExtension(), CredProtectExtension()],
        )
        if _PRF not in client.info.extensions:
            raise SecurityKeyUnavailable(
                "this security key has no hmac-secret",
                hint="a FIDO2 key with that extension is needed, by which secrets are sealed",
            )
        return client

    @contextmanager
    def _chosen(self, timeout_s: float) -> Iterator[CtapDevice]:
        """The key that is meant: the only one, or of several the one that is touched first."""
        with ExitStack() as opened:
            devices = [opened.enter_context(device) for device in self._devices()]
            if not devices:
                raise SecurityKeyUnavailable(
                    "no security key is plugged in",
                    hint="plug it in; on Linux its udev rule has to let you use it (libfido2)",
                )
            yield devices[0] if len(devices) == 1 else self._touched_first(devices, timeout_s)

    def _touched_first(self, devices: Sequence[CtapDevice], timeout_s: float) -> CtapDevice:
        won: list[CtapDevice] = []
        over, stop = threading.Event(), threading.Event()

        def wait_for(device: CtapDevice) -> None:
            try:
                Fido2Client(device, DefaultClientDataCollector(ORIGIN)).selection(stop)
                won.append(device)
                over.set()
            except (ClientError, CtapError, OSError, ValueError):
                return

        threads = [threading.Thread(target=wait_for, args=(item,), daemon=True) for item in devices]
        self._person.touch()
        for thread in threads:
            thread.start()
        over.wait(timeout_s)
        stop.set()
        for thread in threads:
            thread.join(timeout_s)
        if not won:
            raise TouchDenied("no key was touched in time")
        return won[0]


def plugged_in() -> Iterable[CtapDevice]:
    """The security keys on USB that this user may use."""
    try:
        return list(CtapHidDevice.list_devices())
    except OSError as error:
        raise SecurityKeyUnavailable(
            f"security keys can't be looked for: {(error.strerror or str(error)).lower()}"
        ) from error


class _Interaction(UserInteraction):
    def __init__(self, person: Person, device: CtapDevice) -> None:
        self._person = person
        self._device = device

    def prompt_up(self) -> None:
        self._person.touch()

    def request_pin(self, permissions: ClientPin.PERMISSION, rp_id: str | None) -> str | None:  # noqa: ARG002
        _refuse_locked(self._device)
        return self._person.pin().reveal()


def _refuse_locked(device: CtapDevice) -> None:
    """Say that the key takes no PIN before a person types one: CTAP 2.1 section 6.5.5.2, where
    powerCycleState is told by some keys only, and `pinRetries` by all.
    """
    try:
        tries, must_be_plugged_in_again = ClientPin(Ctap2(device)).get_pin_retries()
    except (CtapError, KeyError):
        return  # it doesn't tell: the PIN will
    if tries == 0:
        raise _ctap_fault(CtapError.ERR.PIN_BLOCKED, device)
    if must_be_plugged_in_again:
        raise _ctap_fault(CtapError.ERR.PIN_AUTH_BLOCKED, device)


def _mode(client: Fido2Client, *, wanted: bool | None) -> bool:
    options = client.info.options
    able = bool(options.get("uv") or options.get("clientPin"))
    if wanted is False and options.get("alwaysUv"):
        raise SecurityKeyUnavailable(
            "this security key always verifies the person", hint="use --uv required"
        )
    if wanted and not able:
        raise SecurityKeyUnavailable(
            "this security key can't verify the person",
            hint="set a PIN with its own tool, or use --uv discouraged",
        )
    return able if wanted is None else wanted


def _creation(
    name: str, *, verified: bool, known: Sequence[bytes], timeout_s: float
) -> PublicKeyCredentialCreationOptions:
    extensions: dict[str, object] = {"prf": {}}
    if verified:
        # Without the PIN the key doesn't even tell that it has the credential.
        extensions["credentialProtectionPolicy"] = "userVerificationRequired"
    return PublicKeyCredentialCreationOptions(
        rp=PublicKeyCredentialRpEntity(name="devwiz-gw", id=RP_ID),
        user=PublicKeyCredentialUserEntity(id=os.urandom(32), name=name, display_name=name),
        challenge=os.urandom(32),
        pub_key_cred_params=[
            PublicKeyCredentialParameters(type=PublicKeyCredentialType.PUBLIC_KEY, alg=number)
            for number in _ALGORITHMS
        ],
        timeout=int(timeout_s * 1000),
        exclude_credentials=[_descriptor(credential) for credential in known],
        authenticator_selection=AuthenticatorSelectionCriteria(
            resident_key=ResidentKeyRequirement.DISCOURAGED,
            user_verification=_requirement(verified=verified),
        ),
        extensions=extensions,
    )


def _request(
    challenge: bytes, asked: Sequence[Candidate], timeout_s: float
) -> PublicKeyCredentialRequestOptions:
    salts = {websafe_encode(item.credential): {"first": item.salt} for item in asked}
    return PublicKeyCredentialRequestOptions(
        challenge=challenge,
        timeout=int(timeout_s * 1000),
        rp_id=RP_ID,
        allow_credentials=[_descriptor(item.credential) for item in asked],
        user_verification=_requirement(verified=asked[0].verified),
        extensions={"prf": {"evalByCredential": salts}},
    )


def _asked(device: CtapDevice, candidates: Sequence[Candidate]) -> list[Candidate]:
    """Those of one mode that this key can answer for: a key is asked in one mode at a time."""
    with_person = [item for item in candidates if item.verified]
    without = [item for item in candidates if not item.verified]
    if not with_person or not without:
        return list(candidates)
    return without if _has_one_of(device, without) else with_person


def _has_one_of(device: CtapDevice, candidates: Sequence[Candidate]) -> bool:
    ctap = Ctap2(device)
    for item in candidates:
        try:
            ctap.get_assertions(
                RP_ID,
                bytes(32),
                [{"type": "public-key", "id": item.credential}],
                options={"up": False},
            )
        except CtapError:
            continue
        return True
    return False


def _requirement(*, verified: bool) -> UserVerificationRequirement:
    return (
        UserVerificationRequirement.REQUIRED
        if verified
        else UserVerificationRequirement.DISCOURAGED
    )


def _descriptor(credential: bytes) -> PublicKeyCredentialDescriptor:
    return PublicKeyCredentialDescriptor(type=PublicKeyCredentialType.PUBLIC_KEY, id=credential)


def _spki(key: CoseKey) -> bytes:
    """A COSE key (RFC 9053) as SubjectPublicKeyInfo."""
    public: ec.EllipticCurvePublicKey | Ed25519PublicKey
    if key.get(3) == ES256.ALGORITHM and key.get(-1) == 1:
        x, y = (int.from_bytes(key[place], "big") for place in (-2, -3))
        public = ec.EllipticCurvePublicNumbers(x, y, ec.SECP256R1()).public_key()
    elif key.get(3) == EdDSA.ALGORITHM:
        public = Ed25519PublicKey.from_public_bytes(key[-2])
    else:
        raise SecurityKeyUnavailable("the key made a credential of another algorithm")
    return public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


# -- what may go wrong -----------------------------------------------------------------------------


@contextmanager
def _faults(device: CtapDevice) -> Iterator[None]:
    """python-fido2's errors, as what a person can do about them."""
    try:
        yield
    except PinRequiredError:
        raise TouchDenied("no PIN was typed") from None
    except ClientError as error:
        raise _client_fault(error, device) from error
    except CtapError as error:
        raise _ctap_fault(error.code, device) from error
    except OSError as error:
        raise SecurityKeyUnavailable(
            "the security key went away", hint="plug it in again, and begin anew"
        ) from error
    except (ValueError, TypeError, IndexError, KeyError) as error:
        raise SecurityKeyUnavailable(
            "the security key gave an answer that is none", hint="plug it in again; is it one?"
        ) from error


def _client_fault(error: ClientError, device: CtapDevice) -> Fault:
    if isinstance(error.cause, CtapError):
        return _ctap_fault(error.cause.code, device)
    if error.code == ClientError.ERR.TIMEOUT:
        return _ctap_fault(CtapError.ERR.USER_ACTION_TIMEOUT, device)
    if error.code == ClientError.ERR.DEVICE_INELIGIBLE:
        return _ctap_fault(CtapError.ERR.NO_CREDENTIALS, device)
    return SecurityKeyUnavailable(f"the security key can't do this: {error.code.name.lower()}")


def _ctap_fault(code: int, device: CtapDevice) -> Fault:
    known = CtapError.ERR
    if code == known.PIN_INVALID:
        return TouchDenied("that is not the key's PIN", hint=_tries_left(device))
    if code in _UNAVAILABLE:
        return SecurityKeyUnavailable(_UNAVAILABLE[code][0], hint=_UNAVAILABLE[code][1])
    if code in _DENIED:
        return TouchDenied(_DENIED[code][0], hint=_DENIED[code][1])
    return SecurityKeyUnavailable(f"the security key refused: error 0x{code:02x}")


_UNAVAILABLE: Final[dict[int, tuple[str, str]]] = {
    CtapError.ERR.PIN_BLOCKED: (
        "the security key is locked: too many wrong PINs",
        "only a reset opens it, which removes what is on it; use another key or the recovery code",
    ),
    CtapError.ERR.PIN_AUTH_BLOCKED: (
        "the security key takes no more PINs until it is plugged in again",
        "take it out, put it in, and be sure of the PIN",
    ),
    CtapError.ERR.UV_BLOCKED: (
        "the security key takes no more fingers until its PIN is typed",
        "plug it in again",
    ),
    CtapError.ERR.PIN_NOT_SET: (
        "the security key has no PIN",
        "set one with its own tool",
    ),
}
_DENIED: Final[dict[int, tuple[str, str]]] = {
    CtapError.ERR.USER_ACTION_TIMEOUT: ("the key was not touched in time", "begin again"),
    CtapError.ERR.ACTION_TIMEOUT: ("the key was not touched in time", "begin again"),
    CtapError.ERR.KEEPALIVE_CANCEL: ("the key was not touched in time", "begin again"),
    CtapError.ERR.OPERATION_DENIED: ("the key was told to refuse", "begin again"),
    CtapError.ERR.UV_INVALID: ("the key didn't know the finger", "begin again"),
    CtapError.ERR.PIN_AUTH_INVALID: ("the key didn't take the PIN", "begin again"),
    CtapError.ERR.NO_CREDENTIALS: (
        "this security key is not enrolled here",
        "'devwiz-gw mfa list' and 'vault slots list' show those that are",
    ),
    CtapError.ERR.CREDENTIAL_EXCLUDED: (
        "this security key is enrolled already",
        "a second way in has to be another key, or a recovery code",
    ),
}


def _tries_left(device: CtapDevice) -> str:
    try:
        tries, _ = ClientPin(Ctap2(device)).get_pin_retries()
    except (CtapError, OSError, ValueError):
        return "begin again"
    return f"{tries} tries are left until the key locks itself"
