"""The CMS container of one signature, read so strictly that every byte of it counts.

A signature's own container (/Contents) is the one place of a PDF that its digest does not cover. Here every byte of it
is tied down: it is one DER value with one spelling, then zeros; the signed attributes, the signature and the signer's
certificate hold each other by cryptography; what is left is compared with what it has to be. Only a certificate that a
timestamp authority added, and whose issuer it left out, cannot be tied down: such ones are named in `loose`.

RFC 5652 (CMS), RFC 3161 (timestamps), RFC 5035 (signing certificate), ETSI EN 319 122-1 (CAdES).
"""

from __future__ import annotations

import functools
import hashlib
import re
from typing import Any

from reports.signature import Container
from reports.verify.result import Broken

HASHES = ("sha256", "sha384", "sha512")
_HEX = re.compile(rb"<[0-9A-F]*>")


def hex_contents(gap: bytes) -> bytes:
    """DER bytes in `<HEX...000>`: capital letters, and nothing but zeros after the value. Raises Broken."""
    if not _HEX.fullmatch(gap) or len(gap) % 2:
        raise Broken(
            "a signature's container is not clean hexadecimal", expected="digits and capital letters in < and >"
        )
    data = bytes.fromhex(gap[1:-1].decode("ascii"))
    length = _der_length(data)
    if any(data[length:]):
        raise Broken("there are bytes behind a signature in its container", expected="zeros only")
    return data[:length]


def _der_length(data: bytes) -> int:
    if len(data) < 2 or data[0] != 0x30:
        raise Broken("a signature's container does not hold a CMS value")
    if data[1] < 0x80:
        return 2 + data[1]
    count = data[1] & 0x7F
    length = int.from_bytes(data[2 : 2 + count], "big")
    if not 1 <= count <= 4 or 2 + count + length > len(data):
        raise Broken("a signature's container is cut off")
    return 2 + count + length


def _walk(der: bytes, at: int, end: int, depth: int) -> None:
    """Every value, down to the last one, has the one length that DER allows (X.690, 10.1). Raises Broken."""
    while at < end:
        first, size = der[at], der[at + 1]
        if first == 0 or first & 0x1F == 0x1F or depth > 40:
            raise Broken("a signature's container is not spelled as DER", got="an empty or long tag, or deep nesting")
        at += 2
        if size >= 0x80:
            count = size & 0x7F
            digits = der[at : at + count]
            size = int.from_bytes(digits, "big")
            if not 1 <= count <= 4 or digits[0] == 0 or size < 0x80:
                raise Broken("a signature's container is not spelled as DER", got="a length written the long way")
            at += count
        if at + size > end:
            raise Broken("a signature's container is cut off")
        if first & 0x20:
            _walk(der, at, at + size, depth + 1)
        at += size


@functools.lru_cache(maxsize=16)
def open_container(der: bytes, kind: str) -> Container:
    """The container `der` of a signature (kind "signature") or a timestamp token ("timestamp"). Raises Broken."""
    from asn1crypto import cms, tsp  # tsp teaches cms the attributes of timestamps and RFC 5035

    _ = tsp.TSTInfo
    try:
        info = cms.ContentInfo.load(der, strict=True)
        if info["content_type"].native != "signed_data":
            raise Broken("a signature's container holds something else", expected="signed data")
        _walk(der, 0, len(der), 0)
        return _checked(info["content"], kind)
    except Broken:
        raise
    except Exception as error:  # asn1crypto and cryptography raise many kinds on broken input
        raise Broken("a signature's container cannot be read", got=type(error).__name__) from error


def _checked(signed: Any, kind: str) -> Container:
    if len(signed["signer_infos"]) != 1:
        raise Broken("a signature has not exactly one signer", got=len(signed["signer_infos"]))
    signer = signed["signer_infos"][0]
    digest_name = str(signer["digest_algorithm"]["algorithm"].native)
    if digest_name not in HASHES:
        raise Broken("a signature uses a digest that is not accepted", got="another digest", expected=", ".join(HASHES))
    same = [a.dump() for a in signed["digest_algorithms"]] == [signer["digest_algorithm"].dump()]
    content_type = "tst_info" if kind == "timestamp" else "data"
    checks = {
        "version": signed["version"].native == ("v3" if kind == "timestamp" else "v1"),
        "digest algorithms": same,
        "content type": signed["encap_content_info"]["content_type"].native == content_type,
        "revocation lists": signed["crls"].native is None,
        "signer version": signer["version"].native == "v1",
        "signer identifier": signer["sid"].name == "issuer_and_serial_number",
    }
    if wrong := [name for name, fine in checks.items() if not fine]:
        raise Broken("a signature's container is not as it has to be", got=", ".join(wrong))
    payload = signed["encap_content_info"]["content"]
    if kind == "signature" and payload.native is not None:
        raise Broken("a signature brings content of its own", expected="a detached signature")
    certificate, others, loose = _certificates(signed, signer, kind)
    attributes = {a["type"].native: a["values"] for a in signer["signed_attrs"]}
    if len(attributes) != len(signer["signed_attrs"]) or any(len(v) != 1 for v in attributes.values()):
        raise Broken("a signed attribute occurs twice")
    _bind_certificate(attributes, certificate)
    _bind_algorithms(attributes, signer)
    if attributes["content_type"][0].native != content_type:
        raise Broken("the signed content type differs from the container's")
    _verify_signature(signer, certificate, digest_name, kind)
    message = bytes(attributes["message_digest"][0].native)
    if kind == "timestamp":
        if hashlib.new(digest_name, bytes(payload)).digest() != message:
            raise Broken("a timestamp's content differs from what its authority signed")
        if signer["unsigned_attrs"].native is not None:
            raise Broken("a timestamp carries attributes that nobody signed")
        stated = payload.parsed
        imprint = stated["message_imprint"]
        return Container(
            kind,
            str(imprint["hash_algorithm"]["algorithm"].native),
            bytes(imprint["hashed_message"].native),
            certificate.dump(),
            tuple(c.dump() for c in others),
            stated["gen_time"].native,
            None,
            loose,
        )
    stamp = _signature_stamp(signer)
    time = attributes["signing_time"][0].native if "signing_time" in attributes else None
    return Container(
        kind,
        digest_name,
        message,
        certificate.dump(),
        tuple(c.dump() for c in others),
        time,
        stamp,
        loose + (stamp.loose if stamp is not None else ()),
    )


def _certificates(signed: Any, signer: Any, kind: str) -> tuple[Any, tuple[Any, ...], tuple[str, ...]]:
    """The signer's certificate, the others, and the names of those that nothing in the container vouches for."""
    from cryptography import x509

    certificates = [c.chosen for c in signed["certificates"] if c.name == "certificate"]
    if len(certificates) != len(signed["certificates"]) or len({c.dump() for c in certificates}) != len(certificates):
        raise Broken("a signature brings something other than distinct certificates")
    sid = signer["sid"].chosen
    mine = [
        c
        for c in certificates
        if c.issuer.dump() == sid["issuer"].dump() and c.serial_number == sid["serial_number"].native
    ]  # fmt: skip
    if len(mine) != 1:
        raise Broken("a signature's certificate is missing", expected="the one its signer names, once")
    others = [c for c in certificates if c is not mine[0]]
    loaded = [(c, x509.load_der_x509_certificate(c.dump())) for c in certificates]
    loose = []
    for other in others:
        # The count of unused bits is the one byte of a certificate that its own signature does not tie down.
        if other["signature_value"].contents[:1] != b"\0":
            raise Broken("a certificate in a signature is not spelled as DER")
        child = x509.load_der_x509_certificate(other.dump())
        if not any(_issued(child, parent) for _, parent in loaded):
            name = other.subject.human_friendly
            if kind == "signature" or not _chain_is_cut(other, certificates):
                raise Broken(
                    "a certificate in a signature has no issuer there that vouches for it",
                    expected="the one that issued it",
                )
            loose.append(name)
    return mine[0], tuple(others), tuple(loose)


def _chain_is_cut(certificate: Any, certificates: list[Any]) -> bool:
    """Whether it issued another one there and was itself issued by one that was left out, as authorities do.

    A root that was tampered with does not pass for one: it names no other key than its own as its issuer's.
    """
    subjects = {c.subject.dump() for c in certificates}
    issuers = {c.issuer.dump() for c in certificates if c is not certificate}
    above, own = certificate.authority_key_identifier, certificate.key_identifier
    return (
        certificate.issuer.dump() not in subjects
        and certificate.subject.dump() in issuers
        and above is not None
        and above != own
    )


def _issued(child: Any, parent: Any) -> bool:
    try:
        child.verify_directly_issued_by(parent)
    except Exception:  # wrong issuer, wrong signature, unknown algorithm: it does not vouch
        return False
    return True


def _bind_certificate(attributes: dict[str, Any], certificate: Any) -> None:
    """The signing-certificate attribute holds the certificate's digest (RFC 5035); PAdES asks for it."""
    if "signing_certificate_v2" in attributes:
        entry = attributes["signing_certificate_v2"][0]["certs"][0]
        name = str(entry["hash_algorithm"]["algorithm"].native or "sha256")
    elif "signing_certificate" in attributes:
        entry, name = attributes["signing_certificate"][0]["certs"][0], "sha1"
    else:
        raise Broken("a signature does not say which certificate it was made with", expected="signing-certificate-v2")
    digest = hashlib.new(name, certificate.dump(), usedforsecurity=name != "sha1").digest()
    if digest != bytes(entry["cert_hash"].native):
        raise Broken("a signature's certificate is not the one that was signed with")


def _bind_algorithms(attributes: dict[str, Any], signer: Any) -> None:
    """RFC 6211, where it is there: an algorithm exchanged after signing is then seen."""
    algorithm = signer["signature_algorithm"]
    if "cms_algorithm_protection" in attributes:
        stated = attributes["cms_algorithm_protection"][0]
        if stated["digest_algorithm"].native != signer["digest_algorithm"].native:
            raise Broken("the digest algorithm differs from the signed one")
        if stated["signature_algorithm"].native != algorithm.native:
            raise Broken("the signature algorithm differs from the signed one")


def _verify_signature(signer: Any, certificate: Any, digest_name: str, kind: str) -> None:
    from cryptography import x509
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa

    algorithm = signer["signature_algorithm"]
    name = algorithm.signature_algo
    if name != "rsassa_pss" and algorithm["parameters"].native is not None:
        raise Broken("a signature algorithm has parameters")
    oid = algorithm["algorithm"].native
    if oid == "rsassa_pkcs1v15":
        # Names no digest. Authorities write it; in our own signatures it could only come from a changed byte.
        if kind == "signature":
            raise Broken("a signature's algorithm names no digest", got=oid, expected=f"{digest_name}_rsa")
    elif oid != "rsassa_pss" and algorithm.hash_algo != digest_name:
        raise Broken("the signature algorithm uses another digest than it says", got=oid, expected=digest_name)
    key = x509.load_der_x509_certificate(certificate.dump()).public_key()
    used = {"sha256": hashes.SHA256(), "sha384": hashes.SHA384(), "sha512": hashes.SHA512()}[digest_name]
    signature, message = bytes(signer["signature"].native), signer["signed_attrs"].untag().dump()
    try:
        if isinstance(key, rsa.RSAPublicKey) and key.key_size >= 2048 and name == "rsassa_pkcs1v15":
            key.verify(signature, message, padding.PKCS1v15(), used)
        elif isinstance(key, rsa.RSAPublicKey) and key.key_size >= 2048 and name == "rsassa_pss":
            salt = int(algorithm["parameters"]["salt_length"].native)
            if algorithm["parameters"]["hash_algorithm"]["algorithm"].native != digest_name:
                raise Broken("the signature's padding uses another digest")
            key.verify(signature, message, padding.PSS(padding.MGF1(used), salt), used)
        elif isinstance(key, ec.EllipticCurvePublicKey) and name == "ecdsa":
            key.verify(signature, message, ec.ECDSA(used))
        else:
            raise Broken("a signature's algorithm is not accepted", got=f"{name} with {type(key).__name__}")
    except InvalidSignature:
        raise Broken("a signature does not fit its certificate's key") from None


def _signature_stamp(signer: Any) -> Container | None:
    """The timestamp on the signature: the only attribute that may stand outside what is signed."""
    attributes = signer["unsigned_attrs"]
    if attributes.native is None:
        return None
    if len(attributes) != 1 or attributes[0]["type"].native != "signature_time_stamp_token":
        raise Broken("a signature carries an attribute that nobody signed", expected="a timestamp, or none")
    if len(attributes[0]["values"]) != 1:
        raise Broken("a signature carries several timestamps in one place")
    token = open_container(attributes[0]["values"][0].dump(), "timestamp")
    if token.digest_name not in HASHES:
        raise Broken("a timestamp uses a digest that is not accepted", expected=", ".join(HASHES))
    if hashlib.new(token.digest_name, bytes(signer["signature"].native)).digest() != token.digest:
        raise Broken("a timestamp belongs to another signature")
    return token
