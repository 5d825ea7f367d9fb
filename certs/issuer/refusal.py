"""Why an issuer says no: stable codes that clients and audit lines carry."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from certs.errors import CertsError


class Code(StrEnum):
    """The `code` member of a problem document, and the `reason` of an audit line."""

    MALFORMED_REQUEST = "malformed_request"
    INVALID_CSR = "invalid_csr"
    TOKEN_INVALID = "token_invalid"  # noqa: S105 - the name of a reason
    TOKEN_EXPIRED = "token_expired"  # noqa: S105
    TOKEN_SPENT = "token_spent"  # noqa: S105
    RULE_UNKNOWN = "join_rule_unknown"
    METHOD_MISMATCH = "join_method_mismatch"
    PROVIDER_UNAVAILABLE = "provider_unavailable"
    ID_TOKEN_MALFORMED = "id_token_malformed"  # noqa: S105
    ID_TOKEN_ALGORITHM = "id_token_algorithm"  # noqa: S105
    ID_TOKEN_KEY_UNKNOWN = "id_token_key_unknown"  # noqa: S105
    ID_TOKEN_SIGNATURE = "id_token_signature"  # noqa: S105
    ID_TOKEN_ISSUER = "id_token_issuer"  # noqa: S105
    ID_TOKEN_AUDIENCE = "id_token_audience"  # noqa: S105
    ID_TOKEN_EXPIRED = "id_token_expired"  # noqa: S105
    ID_TOKEN_NOT_YET_VALID = "id_token_not_yet_valid"  # noqa: S105
    ID_TOKEN_CLAIMS = "id_token_claims"  # noqa: S105
    PROOF_INVALID = "proof_invalid"
    CHALLENGE_EXPIRED = "challenge_expired"
    KEY_NOT_BOUND = "key_not_bound"
    REGISTRATION_INVALID = "registration_invalid"
    JOIN_STATE_INVALID = "join_state_invalid"
    JOIN_STATE_MISMATCH = "join_state_mismatch"
    RECOVERY_LIMIT = "recovery_limit"
    NAMES_REFUSED = "names_refused"
    CERTIFICATE_REQUIRED = "client_certificate_required"
    CERTIFICATE_EXPIRED = "client_certificate_expired"
    CERTIFICATE_UNKNOWN = "client_certificate_unknown"
    KEY_REUSED = "key_reused"
    GENERATION_MISMATCH = "generation_mismatch"
    INSTANCE_LOCKED = "instance_locked"
    BOT_LOCKED = "bot_locked"
    TOKEN_LOCKED = "token_locked"  # noqa: S105
    AUTHORITY_EXPIRED = "authority_expired"
    STATE_UNAVAILABLE = "state_unavailable"
    AUDIT_UNAVAILABLE = "audit_unavailable"
    OVERLOADED = "overloaded"
    RATE_LIMITED = "rate_limited"
    BODY_TOO_LARGE = "body_too_large"
    NOT_FOUND = "not_found"
    METHOD_NOT_ALLOWED = "method_not_allowed"
    INTERNAL = "internal"


class Refused(CertsError):
    """The issuer denies a request. `code` is stable; the message is for people; `members` are
    further ones of the problem document.
    """

    remedy = "what each code means is described in docs/issuer-protocol.md"

    def __init__(
        self,
        code: Code,
        message: str,
        *,
        hint: str = "",
        retry_after_s: float | None = None,
        members: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message, hint=hint)
        self.code = code
        self.retry_after_s = retry_after_s
        self.members = dict(members or {})
