"""Certificate profiles: what a certificate of this CA may be used for and how long. From the configuration.

The subject is always empty and the SAN critical then (RFC 5280 4.2.1.6): a common name says nothing that
the SAN does not, and is cut at 64 characters. Used by `intent`; the issue stage looks a profile up by its
name.
"""

from __future__ import annotations

from typing import Final, Literal
from urllib.parse import urlsplit

import msgspec
from cryptography.x509.oid import ExtendedKeyUsageOID

from stages.errors import Refused

KEY_USAGES: Final = (
    "digitalSignature",
    "contentCommitment",
    "keyEncipherment",
    "dataEncipherment",
    "keyAgreement",
)
"""RFC 5280 4.2.1.3, by its names, as far as they are for leaves: a leaf never signs certificates or CRLs."""

EXTENDED_KEY_USAGES: Final = {
    "serverAuth": ExtendedKeyUsageOID.SERVER_AUTH,
    "clientAuth": ExtendedKeyUsageOID.CLIENT_AUTH,
    "codeSigning": ExtendedKeyUsageOID.CODE_SIGNING,
    "emailProtection": ExtendedKeyUsageOID.EMAIL_PROTECTION,
}
"""RFC 5280 4.2.1.12, without those that would make a leaf part of the CA (OCSPSigning) or good for everything."""

SUITABLE: Final = {
    "rsa": ("digitalSignature", "contentCommitment", "keyEncipherment", "dataEncipherment"),  # RFC 3279 2.3.1
    "p256": ("digitalSignature", "contentCommitment", "keyAgreement"),  # RFC 5480 3, RFC 8813 3
    "p384": ("digitalSignature", "contentCommitment", "keyAgreement"),
    "p521": ("digitalSignature", "contentCommitment", "keyAgreement"),
    "ed25519": ("digitalSignature", "contentCommitment"),  # RFC 8410 5
}
"""The key usages that a key of each type can have."""

CONSISTENT: Final = {
    "serverAuth": {"digitalSignature", "keyEncipherment", "keyAgreement"},
    "clientAuth": {"digitalSignature", "keyAgreement"},
    "codeSigning": {"digitalSignature"},
    "emailProtection": {"digitalSignature", "contentCommitment", "keyEncipherment", "keyAgreement"},
}
"""RFC 5280 4.2.1.12: one of these key usages must go with the extended one."""


class Profile(msgspec.Struct, frozen=True, kw_only=True):
    """One profile; build it from settings with `check_profile`.

    Attributes:
        name: how the configuration and a client's order name it.
        validity_seconds: counted from the moment of issue.
        backdate_seconds: how far before that moment notBefore lies, for clients whose clock is late.
        key_usages: names of `KEY_USAGES`; a key gets those that suit its type, so one profile serves RSA
            and EC.
        extended_key_usages: names of `EXTENDED_KEY_USAGES`.
        past_issuer: what to do where the certificate would outlive its issuer: shorten it, or refuse.
        crl_url: RFC 5280 4.2.1.13, empty for none.
        ca_issuers_url: RFC 5280 4.2.2.1, empty for none.
    """

    name: str
    validity_seconds: int
    backdate_seconds: int = 3600
    key_usages: tuple[str, ...] = ("digitalSignature", "keyEncipherment")
    extended_key_usages: tuple[str, ...] = ("serverAuth",)
    past_issuer: Literal["clamp", "refuse"] = "clamp"
    crl_url: str = ""
    ca_issuers_url: str = ""

    def usages_for(self, key_type: str) -> tuple[str, ...]:
        """The key usages that suit a key of this type.

        Raises Refused("badCSR", "public key", ...) where those that are left do not serve an extended key usage.
        """
        usages = tuple(usage for usage in self.key_usages if usage in SUITABLE[key_type])
        unserved = _unserved(usages, self.extended_key_usages)
        if unserved:
            raise Refused(
                "badCSR",
                "public key",
                f"a key of type {key_type} cannot be used for {unserved} in profile {self.name}",
            )
        return usages


def check_profile(profile: Profile) -> Profile:
    """Give the profile back, checked; raises Refused("config", "profiles.<name>.<setting>", ...)."""
    at = f"profiles.{profile.name}"
    if profile.validity_seconds <= 0:
        raise Refused("config", f"{at}.validity", "it must be positive")
    if profile.backdate_seconds < 0:
        raise Refused("config", f"{at}.backdate", "it must not be negative")
    if profile.past_issuer not in {"clamp", "refuse"}:
        raise Refused("config", f"{at}.past_issuer", 'it must be "clamp" or "refuse"')
    _check_words(f"{at}.key_usages", profile.key_usages, KEY_USAGES)
    _check_words(f"{at}.extended_key_usages", profile.extended_key_usages, tuple(EXTENDED_KEY_USAGES))
    unserved = _unserved(profile.key_usages, profile.extended_key_usages)
    if unserved:
        needed = " or ".join(sorted(CONSISTENT[unserved]))
        raise Refused("config", f"{at}.key_usages", f"{unserved} needs {needed} (RFC 5280 4.2.1.12)")
    _check_url(f"{at}.crl_url", profile.crl_url)
    _check_url(f"{at}.ca_issuers_url", profile.ca_issuers_url)
    return profile


def _unserved(usages: tuple[str, ...], extended: tuple[str, ...]) -> str:
    """The first extended key usage that none of the key usages serves."""
    return next((name for name in extended if CONSISTENT[name].isdisjoint(usages)), "")


def _check_words(setting: str, words: tuple[str, ...], known: tuple[str, ...]) -> None:
    if not words:
        # Absent usage extensions would mean: good for everything (RFC 5280 4.2.1.12).
        raise Refused("config", setting, f"at least one of {', '.join(known)} is needed")
    if len(set(words)) != len(words):
        raise Refused("config", setting, "a usage is named twice")
    for index, word in enumerate(words):
        if word not in known:
            raise Refused("config", setting, f"entry {index} is not one of {', '.join(known)}")


def _check_url(setting: str, url: str) -> None:
    if not url:
        return
    problem = "it must be an http:// or https:// URL in ASCII"
    if not (url.isascii() and url.isprintable()) or " " in url:
        raise Refused("config", setting, problem)
    try:
        parts = urlsplit(url)
    except ValueError:
        raise Refused("config", setting, problem) from None
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise Refused("config", setting, problem)
