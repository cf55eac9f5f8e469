"""A small public-key infrastructure for tests: a root, an auditor, board members, a timestamp authority, a revocation
list.

Keys of 2048 bits, made once a process.
"""

from __future__ import annotations

import datetime as dt
import functools

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from reports.keys import SigningKey

NOW = dt.datetime.now(dt.UTC).replace(microsecond=0)
DAY = dt.timedelta(days=1)


def subject(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def private_key(label: str, size: int = 2048) -> RSAPrivateKey:
    return _made(label, size)


@functools.cache
def _made(label: str, size: int) -> RSAPrivateKey:
    return generate_private_key(public_exponent=65537, key_size=size)


def certificate(
    name: str,
    label: str,
    *,
    issuer: x509.Certificate | None = None,
    issuer_key: RSAPrivateKey | None = None,
    ca: bool = False,
    stamping: bool = False,
    signs: bool = True,
    extended: tuple[x509.ObjectIdentifier, ...] = (),
    critical: bool = False,
    start: dt.datetime = NOW - 30 * DAY,
    end: dt.datetime = NOW + 300 * DAY,
    size: int = 2048,
) -> x509.Certificate:
    key = private_key(label, size)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject(name))
        .issuer_name(issuer.subject if issuer else subject(name))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(end)
        .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
        .add_extension(
            x509.KeyUsage(
                digital_signature=not ca,
                content_commitment=signs and not ca and not stamping,
                key_encipherment=False,
                data_encipherment=False,
                key_agreement=False,
                key_cert_sign=ca,
                crl_sign=ca,
                encipher_only=False,
                decipher_only=False,
            ),
            critical=True,
        )
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )
    if issuer is not None and issuer_key is not None:
        identifier = x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key())
        builder = builder.add_extension(identifier, critical=False)
    if extended:
        builder = builder.add_extension(x509.ExtendedKeyUsage(extended), critical=False)
    if critical:
        unknown = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.3.6.1.4.1.99999.1"), b"\x05\x00")
        builder = builder.add_extension(unknown, critical=True)
    if stamping:
        usage = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.TIME_STAMPING])
        builder = builder.add_extension(usage, critical=True)
    return builder.sign(issuer_key or key, hashes.SHA256())


class Pki:
    """Everyone in the tests. `keys` by name; root and crl as a reader would get them."""

    def __init__(self) -> None:
        self.root_key = private_key("root")
        self.root = certificate("Test Root", "root", ca=True)
        self.root_pem = self.root.public_bytes(serialization.Encoding.PEM)
        self.auditor = self.issue("Ada Auditor", "auditor")
        self.bo = self.issue("Bo Board", "bo")
        self.cy = self.issue("Cy Chair", "cy")
        self.revoked = self.issue("Bo Board", "revoked")
        self.expired = self.issue("Bo Board", "expired", start=NOW - 20 * DAY, end=NOW - 10 * DAY)
        self.stranger = SigningKey(certificate("Bo Board", "stranger"), (), private_key("stranger"))
        self.alone = SigningKey(certificate("Ada Auditor", "alone"), (), private_key("alone"))
        self.crl = self.revoke(self.revoked)

    def issue(self, name: str, label: str, **options: object) -> SigningKey:
        built = certificate(name, label, issuer=self.root, issuer_key=self.root_key, **options)  # type: ignore[arg-type]
        return SigningKey(built, (self.root,), private_key(label, int(str(options.get("size", 2048)))))

    def revoke(self, *keys: SigningKey) -> bytes:
        builder = (
            x509.CertificateRevocationListBuilder()
            .issuer_name(self.root.subject)
            .last_update(NOW - DAY)
            .next_update(NOW + 30 * DAY)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(self.root_key.public_key()), critical=False
            )
            .add_extension(x509.CRLNumber(1), critical=False)
        )
        for key in keys:
            entry = x509.RevokedCertificateBuilder().serial_number(key.certificate.serial_number)
            builder = builder.add_revoked_certificate(entry.revocation_date(NOW - 5 * DAY).build())
        return builder.sign(self.root_key, hashes.SHA256()).public_bytes(serialization.Encoding.DER)

    def timestamper(self):
        """pyHanko's stand-in for an RFC 3161 authority, under the same root."""
        from asn1crypto import keys as asn1_keys
        from asn1crypto import x509 as asn1_x509
        from pyhanko.sign.timestamps import DummyTimeStamper
        from pyhanko_certvalidator.registry import SimpleCertificateStore

        built = certificate("Test TSA", "tsa", issuer=self.root, issuer_key=self.root_key, stamping=True)
        store = SimpleCertificateStore()
        store.register(asn1_x509.Certificate.load(self.root.public_bytes(serialization.Encoding.DER)))
        private = private_key("tsa").private_bytes(
            serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        return DummyTimeStamper(
            asn1_x509.Certificate.load(built.public_bytes(serialization.Encoding.DER)),
            asn1_keys.PrivateKeyInfo.load(private),
            certs_to_embed=store,
        )
