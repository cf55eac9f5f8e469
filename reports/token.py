"""A signing key on a PKCS#11 token (smart card, hardware module): the private key never leaves it.

    key = load_token_key("pkcs11:token=Board;object=Ada%20Auditor?module-path=/usr/lib/softhsm/libsofthsm2.so", b"1234")

The address is a PKCS#11 URI (RFC 7512): `token`, `serial`, `manufacturer`, `model` choose the token, `object` or `id`
the key. The module is `module-path` in the address or the variable ASSAY_PKCS11_MODULE. The PIN comes as the password
of a .p12 file does; one in the address is refused, because a command line is seen by everyone on the machine.
Each signature opens a session of its own, so that a token that was pulled out is noticed when it is needed.
"""

from __future__ import annotations

import datetime as dt
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, unquote_to_bytes

from audit.errors import KeyFileError
from audit.numbers import many
from reports.signing_key import LEAST_BITS, PASSWORD_VARIABLE, SigningKey, check_fit

if TYPE_CHECKING:
    from cryptography import x509

SCHEME = "pkcs11:"
MODULE_VARIABLE = "ASSAY_PKCS11_MODULE"
FORM = "pkcs11:token=LABEL;object=LABEL"
_ABOUT_TOKEN = {"token": "label", "serial": "serial", "manufacturer": "manufacturer_id", "model": "model"}
_PATH = (*_ABOUT_TOKEN, "object", "id", "type")


@dataclass(frozen=True, slots=True)
class Address:
    """A PKCS#11 URI read: what the token has to be, the key's label or id, the module's path."""

    token: tuple[tuple[str, str], ...]
    label: str | None
    id: bytes | None
    module: str


@dataclass(frozen=True, slots=True)
class TokenKey:
    """A private key on a token, with the one method of cryptography's RSA keys that signing needs."""

    address: Address
    id: bytes
    key_size: int
    pin: str = field(repr=False)

    def sign(self, data: bytes, padding: Any = None, algorithm: Any = None) -> bytes:
        """RSASSA-PKCS1-v1_5 with SHA-256, computed on the token. Raises KeyFileError where it is gone or refuses."""
        import pkcs11

        kind, hashed = type(padding).__name__, getattr(algorithm, "name", "sha256")
        if kind not in ("NoneType", "PKCS1v15") or hashed != "sha256":
            raise KeyFileError("the token signs in one way only", got=f"{kind}, {hashed}", expected="PKCS1v15, sha256")
        with _session(self.address, self.pin) as session:
            key = _only(
                session, {pkcs11.Attribute.CLASS: pkcs11.ObjectClass.PRIVATE_KEY, pkcs11.Attribute.ID: self.id},
                "private key",
            )  # fmt: skip
            signed: bytes = key.sign(data, mechanism=pkcs11.Mechanism.SHA256_RSA_PKCS)
        return signed


def load_token_key(uri: str, pin: bytes | None, *, now: dt.datetime | None = None) -> SigningKey:
    """The signing key at this address, fit to sign at `now` (default: the present).

    Raises KeyFileError, one message: an address that cannot be read, no module, no such token, a wrong or locked PIN,
    no such key or certificate, a key that is not RSA or too short, a certificate that is not of this key, expired or
    not for signing.
    """
    address = read_address(uri)
    if not pin:
        raise KeyFileError("the token needs its PIN", expected=f"the PIN at the prompt or in {PASSWORD_VARIABLE}")
    _library()
    from pkcs11 import Attribute, KeyType, ObjectClass

    text = pin.decode("utf-8", "replace")
    wanted: dict[Any, Any] = {}
    if address.label is not None:
        wanted[Attribute.LABEL] = address.label
    if address.id is not None:
        wanted[Attribute.ID] = address.id
    with _session(address, text) as session:
        private = _only(session, {Attribute.CLASS: ObjectClass.PRIVATE_KEY, **wanted}, "private key")
        if private.key_type is not KeyType.RSA or len(private[Attribute.MODULUS]) * 8 < LEAST_BITS:
            raise KeyFileError(
                "the token's key cannot sign a report",
                got=str(getattr(private.key_type, "name", private.key_type)),
                expected=f"RSA of {LEAST_BITS} bits or more",
            )
        modulus, identity = int.from_bytes(private[Attribute.MODULUS]), bytes(private[Attribute.ID])
        blobs = [bytes(c[Attribute.VALUE]) for c in session.get_objects({Attribute.CLASS: ObjectClass.CERTIFICATE})]
    certificate, chain = _certificates(blobs, modulus)
    key = TokenKey(address, identity, (modulus.bit_length() + 7) // 8 * 8, text)
    loaded = SigningKey(certificate, chain, key)
    check_fit(loaded, "the token", now or dt.datetime.now(dt.UTC))
    return loaded


def read_address(uri: str) -> Address:
    """The parts of a PKCS#11 URI. Raises KeyFileError where it cannot be read or names no key."""
    body, _, query = uri.removeprefix(SCHEME).partition("?")
    path, options = _parts(body, ";", uri), _parts(query, "&", uri)
    if hidden := {"pin-value", "pin-source"} & options.keys():
        raise KeyFileError(
            "the address holds a PIN",
            got=", ".join(sorted(hidden)),
            expected=f"the PIN at the prompt or in {PASSWORD_VARIABLE}",
            todo="take it out; a command line is seen by everyone on the machine",
        )
    if unknown := sorted(path.keys() - set(_PATH)) + sorted(options.keys() - {"module-path"}):
        raise KeyFileError(
            "the token's address has a part that is not known", got=", ".join(unknown),
            expected=", ".join((*_PATH, "module-path")),
        )  # fmt: skip
    if not {"object", "id"} & path.keys() or not set(_ABOUT_TOKEN) & path.keys():
        raise KeyFileError("the address does not name a token and a key on it", got=uri, expected=FORM)
    module = (
        unquote(module_path)
        if (module_path := options.get("module-path")) is not None
        else os.environ.get(MODULE_VARIABLE, "")
    )
    if not module:
        raise KeyFileError(
            "the token's PKCS#11 module is not named",
            expected=f"the variable {MODULE_VARIABLE}, or ?module-path=FILE at the end of the address",
            todo="set it to the .so file that came with the token, for example /usr/lib/softhsm/libsofthsm2.so",
        )
    return Address(
        tuple((k, unquote(path[k])) for k in _ABOUT_TOKEN if k in path),
        None if (label := path.get("object")) is None else unquote(label),
        None if (key := path.get("id")) is None else unquote_to_bytes(key),
        module,
    )


def _parts(text: str, separator: str, uri: str) -> dict[str, str]:
    out: dict[str, str] = {}
    for part in filter(None, text.split(separator)):
        name, equals_sign, value = part.partition("=")
        if not equals_sign or name in out:
            raise KeyFileError("the token's address cannot be read", got=uri, expected=FORM)
        out[name] = value
    return out


def _library() -> Any:
    try:
        import pkcs11
    except ImportError as error:
        raise KeyFileError(
            "keys on a token need the package python-pkcs11", got=str(error), expected="an installed package",
            todo="run `make extra`, or `pip install python-pkcs11`",
        ) from error  # fmt: skip
    return pkcs11


@contextmanager
def _session(address: Address, pin: str) -> Iterator[Any]:
    """A session with the token, the PIN given. Every error of the token becomes one message."""
    pkcs11 = _library()
    try:
        module = pkcs11.lib(address.module)
    except (pkcs11.PKCS11Error, RuntimeError, OSError) as error:
        raise KeyFileError(
            "the PKCS#11 module cannot be loaded",
            got=f"{address.module}: {error}",
            expected="the .so file that came with the token",
            todo=f"check {MODULE_VARIABLE} or module-path",
        ) from error
    try:
        with _token(module, address).open(user_pin=pin) as session:
            yield session
    except (pkcs11.PinIncorrect, pkcs11.PinInvalid, pkcs11.PinLenRange) as error:
        raise KeyFileError(
            "the token refused the PIN",
            got="a PIN that does not fit",
            expected="the token's user PIN",
            todo="try again with care: most tokens lock themselves after three wrong PINs",
        ) from error
    except pkcs11.PinLocked as error:
        raise KeyFileError(
            "the token is locked", got="too many wrong PINs", todo="ask who issued it to unlock it"
        ) from error
    except pkcs11.PKCS11Error as error:
        raise KeyFileError(
            "the token does not answer as it should", got=f"{type(error).__name__} {error}".strip(),
            expected="a token that is plugged in and signs with RSA and SHA-256",
        ) from error  # fmt: skip


def _token(module: Any, address: Address) -> Any:
    tokens = [slot.get_token() for slot in module.get_slots(token_present=True)]
    fitting = [t for t in tokens if all(_text(getattr(t, _ABOUT_TOKEN[k])) == v for k, v in address.token)]
    wanted = ", ".join(f"{k} {v}" for k, v in address.token)
    labels = ", ".join(sorted(filter(None, (_text(t.label) for t in tokens)))) or "no token at all"
    if not fitting:
        raise KeyFileError("no such token is plugged in", got=labels, expected=wanted)
    if len(fitting) > 1:
        raise KeyFileError(
            "several tokens answer to the address", got=f"{len(fitting)} with {wanted}", expected="one",
            todo="add ;serial=NUMBER",
        )  # fmt: skip
    return fitting[0]


def _text(value: Any) -> str:
    return (value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)).strip("\0 ")


def _only(session: Any, wanted: dict[Any, Any], what: str) -> Any:
    objects = list(session.get_objects(wanted))
    if len(objects) != 1:
        raise KeyFileError(
            f"the token holds no such {what}" if not objects else f"the token holds several such {what}s",
            got=f"{len(objects)} found",
            expected=f"one {what} with this label or id",
            todo="list what is on it, for instance with `pkcs11-tool --list-objects --login`",
        )
    return objects[0]


def _certificates(blobs: list[bytes], modulus: int) -> tuple[x509.Certificate, tuple[x509.Certificate, ...]]:
    """The certificate of this key, and those above it that are on the token as well."""
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

    every = []
    for blob in blobs:
        try:
            every.append(x509.load_der_x509_certificate(blob))
        except ValueError:  # another slot of the card may hold anything
            continue
    own = [
        c for c in every if isinstance(k := c.public_key(), RSAPublicKey) and k.public_numbers().n == modulus
    ]  # fmt: skip
    if not own:
        raise KeyFileError(
            "the token holds no certificate of this key", got=f"{many(len(every), 'certificate')} of other keys",
            expected="the key's own certificate", todo="write the certificate to the token, beside its key",
        )  # fmt: skip
    certificate = max(own, key=lambda c: c.not_valid_after_utc)
    chain: list[x509.Certificate] = []
    above = certificate
    while above.subject != above.issuer:
        issuer = next((c for c in every if c.subject == above.issuer and c not in chain), None)
        if issuer is None:
            break
        chain.append(issuer)
        above = issuer
    return certificate, tuple(chain)
