"""A certificate's extensions, and the names in its subject alternative name extension."""

from __future__ import annotations

from cryptography import x509

from certs.errors import InvalidCertificate


def extensions_of(certificate: x509.Certificate) -> x509.Extensions:
    """All extensions, parsed. Loading a certificate doesn't parse them yet.

    Raises:
        InvalidCertificate: one is malformed, doubled, or has a name of a kind that nobody uses.
    """
    try:
        return certificate.extensions
    except Exception as error:
        # The parser's errors for a stranger's bytes share no class.
        raise InvalidCertificate("the certificate's extensions are not readable") from error


def uri_names(extensions: x509.Extensions) -> tuple[str, ...]:
    """All URI names, in order."""
    return _names(extensions, x509.UniformResourceIdentifier)


def dns_names(extensions: x509.Extensions) -> tuple[str, ...]:
    """All DNS names, in order; a wildcard is given as it stands."""
    return _names(extensions, x509.DNSName)


def excluded_dns(extensions: x509.Extensions) -> tuple[str, ...]:
    """The DNS subtrees that an authority may not certify, lower case; "" stands for all names."""
    try:
        constraints = extensions.get_extension_for_class(x509.NameConstraints).value
    except x509.ExtensionNotFound:
        return ()
    trees = constraints.excluded_subtrees or ()
    return tuple(tree.value.lower().strip(".") for tree in trees if isinstance(tree, x509.DNSName))


def ip_names(extensions: x509.Extensions) -> tuple[str, ...]:
    """All IP addresses, in order."""
    return tuple(
        str(name.value) for name in _general_names(extensions) if isinstance(name, x509.IPAddress)
    )


def _names(
    extensions: x509.Extensions, kind: type[x509.UniformResourceIdentifier | x509.DNSName]
) -> tuple[str, ...]:
    return tuple(name.value for name in _general_names(extensions) if isinstance(name, kind))


def _general_names(extensions: x509.Extensions) -> tuple[x509.GeneralName, ...]:
    try:
        extension = extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except x509.ExtensionNotFound:
        return ()
    return tuple(extension.value)
