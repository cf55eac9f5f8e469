"""One attack for each refusal of what a signature's container and the bytes of a file may hold: its check and sentence.

Each file is signed anew by a valid key after the attack, so that nothing but the attack is wrong with it.
"""

from __future__ import annotations

import asyncio
import hashlib
import re
import zlib
from collections.abc import Callable
from typing import Any

import pytest
from asn1crypto import algos, cms, core
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding

from reports.keys import SigningKey
from reports.verify import verify
from reports.verify.container import hex_contents
from reports.verify.seal import spans
from tests.reports import kit
from tests.reports.conftest import Reports
from tests.reports.pki import Pki

Signed = Callable[[Any, Any], None]


# --- the container: outside what the digest covers, so that it can be exchanged ---


def refilled(pdf: bytes, der: bytes, behind: bytes = b"") -> bytes:
    """The file with this value in the container of its last signature."""
    last = spans(pdf)[-1]
    room = last.stop - last.start - 2
    filled = der.hex().upper().encode().ljust(room - len(behind), b"0") + behind
    return pdf[: last.start + 1] + filled + pdf[last.stop - 1 :]


def der_of(pdf: bytes) -> bytes:
    last = spans(pdf)[-1]
    return hex_contents(pdf[last.start : last.stop])


def resigned(pdf: bytes, key: SigningKey, change: Signed) -> bytes:
    """The container changed, and its attributes signed again."""
    info = cms.ContentInfo.load(der_of(pdf))
    signer = info["content"]["signer_infos"][0]
    change(info["content"], signer)
    message = signer["signed_attrs"].untag().dump(force=True)
    signer["signature"] = key.private_key.sign(message, padding.PKCS1v15(), hashes.SHA256())
    return refilled(pdf, info.dump(force=True))


def attribute(signer: Any, name: str) -> Any:
    return next(a for a in signer["signed_attrs"] if a["type"].native == name)


def without(signer: Any, *names: str) -> None:
    kept = [a for a in signer["signed_attrs"] if a["type"].native not in names]
    signer["signed_attrs"] = cms.CMSAttributes(kept)


def two_signers(sd: Any, signer: Any) -> None:
    sd["signer_infos"].append(signer.copy())


def sha1(sd: Any, signer: Any) -> None:
    signer["digest_algorithm"] = {"algorithm": "sha1"}


def another_version(sd: Any, signer: Any) -> None:
    sd["version"] = "v3"


def content(sd: Any, signer: Any) -> None:
    sd["encap_content_info"]["content"] = b"the report"


def an_attribute_twice(sd: Any, signer: Any) -> None:
    kept = list(signer["signed_attrs"])
    signer["signed_attrs"] = cms.CMSAttributes([*kept, kept[0].copy()])


def another_content_type(sd: Any, signer: Any) -> None:
    attribute(signer, "content_type")["values"] = ["tst_info"]


def a_certificate_twice(sd: Any, signer: Any) -> None:
    sd["certificates"].append(sd["certificates"][0].copy())


def another_serial_number(sd: Any, signer: Any) -> None:
    signer["sid"].chosen["serial_number"] = 7


def no_certificate_named(sd: Any, signer: Any) -> None:
    without(signer, "signing_certificate_v2")


def another_certificate_named(sd: Any, signer: Any) -> None:
    attribute(signer, "signing_certificate_v2")["values"][0]["certs"][0]["cert_hash"] = bytes(32)


def protected(signer: Any, **stated: Any) -> None:
    """The attribute by which the algorithms are signed too (RFC 6211)."""
    without(signer, "cms_algorithm_protection")
    value = {"digest_algorithm": signer["digest_algorithm"], "signature_algorithm": signer["signature_algorithm"]}
    value = {k: v.copy() for k, v in value.items()} | stated
    built = cms.CMSAttribute({"type": "cms_algorithm_protection", "values": [cms.CMSAlgorithmProtection(value)]})
    signer["signed_attrs"] = cms.CMSAttributes([*signer["signed_attrs"], built])


def another_digest_protected(sd: Any, signer: Any) -> None:
    protected(signer, digest_algorithm=algos.DigestAlgorithm({"algorithm": "sha512"}))


def another_algorithm_protected(sd: Any, signer: Any) -> None:
    protected(signer, signature_algorithm=algos.SignedDigestAlgorithm({"algorithm": "sha512_rsa"}))


def by(name: str, parameters: Any = None) -> Signed:
    def change(sd: Any, signer: Any) -> None:
        without(signer, "cms_algorithm_protection")
        mapping: dict[str, Any] = {"algorithm": name} | ({} if parameters is None else {"parameters": parameters})
        signer["signature_algorithm"] = algos.SignedDigestAlgorithm(mapping)

    return change


def an_unsigned_attribute(sd: Any, signer: Any) -> None:
    signer["unsigned_attrs"] = cms.CMSAttributes([attribute(signer, "content_type").copy()])


def two_timestamps(sd: Any, signer: Any) -> None:
    token = cms.ContentInfo({"content_type": "data", "content": b"x"})
    other = cms.ContentInfo({"content_type": "data", "content": b"y"})
    built = cms.CMSAttribute({"type": "signature_time_stamp_token", "values": [token, other]})
    signer["unsigned_attrs"] = cms.CMSAttributes([built])


PSS: dict[str, Any] = {"hash_algorithm": {"algorithm": "sha512"}, "salt_length": 32}
CONTAINERS: list[tuple[str, Signed]] = [
    ("a signature has not exactly one signer", two_signers),
    ("a signature uses a digest that is not accepted", sha1),
    ("a signature's container is not as it has to be", another_version),
    ("a signature brings content of its own", content),
    ("a signed attribute occurs twice", an_attribute_twice),
    ("the signed content type differs from the container's", another_content_type),
    ("a signature brings something other than distinct certificates", a_certificate_twice),
    ("a signature's certificate is missing", another_serial_number),
    ("a signature does not say which certificate it was made with", no_certificate_named),
    ("a signature's certificate is not the one that was signed with", another_certificate_named),
    ("the digest algorithm differs from the signed one", another_digest_protected),
    ("the signature algorithm differs from the signed one", another_algorithm_protected),
    ("a signature algorithm has parameters", by("sha256_ecdsa", core.OctetString(b"x"))),
    ("a signature's algorithm names no digest", by("rsassa_pkcs1v15")),
    ("the signature algorithm uses another digest than it says", by("sha512_rsa")),
    ("the signature's padding uses another digest", by("rsassa_pss", algos.RSASSAPSSParams(PSS))),
    ("a signature's algorithm is not accepted", by("sha256_dsa")),
    ("a signature carries an attribute that nobody signed", an_unsigned_attribute),
    ("a signature carries several timestamps in one place", two_timestamps),
]


def root(pdf: bytes) -> bytes:
    """The certificate in the last container that is not the signer's."""
    info = cms.ContentInfo.load(der_of(pdf))["content"]
    serial = info["signer_infos"][0]["sid"].chosen["serial_number"].native
    return next(c.chosen.dump() for c in info["certificates"] if c.chosen.serial_number != serial)


def exchanged(pdf: bytes, old: bytes, new: bytes) -> bytes:
    der = der_of(pdf)
    assert old in der
    return refilled(pdf, der.replace(old, new, 1))


def other_unused_bits(pdf: bytes) -> bytes:
    mine = root(pdf)
    assert mine[-257] == 0
    return exchanged(pdf, mine, mine[:-257] + b"\1" + mine[-256:-1] + bytes([mine[-1] & 0xFE]))


def another_root_signature(pdf: bytes) -> bytes:
    mine = root(pdf)
    return exchanged(pdf, mine, mine[:-1] + bytes([mine[-1] ^ 1]))


def another_signature(pdf: bytes) -> bytes:
    value = cms.ContentInfo.load(der_of(pdf))["content"]["signer_infos"][0]["signature"].native
    return exchanged(pdf, value, value[:-1] + bytes([value[-1] ^ 1]))


BYTES: list[tuple[str, Callable[[bytes], bytes]]] = [
    ("there are bytes behind a signature in its container", lambda d: refilled(d, der_of(d), b"DEADBEEF")),
    ("a signature's container is cut off", lambda d: refilled(d, b"\x30\x84\x7f\xff\xff\xff" + der_of(d)[4:])),
    ("a signature's container is not spelled as DER", lambda d: exchanged(d, b"\5\0", b"\0\0")),
    ("a signature's container is cut off", lambda d: exchanged(d, b"\5\0", b"\5\x7f")),
    ("a signature's container holds something else",
     lambda d: refilled(d, cms.ContentInfo({"content_type": "data", "content": b"x"}).dump())),
    ("a signature's container cannot be read", lambda d: refilled(d, b"\x30\3\2\1\1")),
    ("a certificate in a signature is not spelled as DER", other_unused_bits),
    ("a certificate in a signature has no issuer there that vouches for it", another_root_signature),
    ("a signature does not fit its certificate's key", another_signature),
]  # fmt: skip


def refusal(pdf: bytes) -> tuple[str, str]:
    failed = verify(pdf, printer=kit.page).failed
    assert failed is not None
    return failed.name, failed.detail


@pytest.mark.parametrize("sentence, change", CONTAINERS, ids=[s for s, _ in CONTAINERS])
def test_what_a_container_may_not_hold(sentence: str, change: Signed, small: Reports, pki: Pki) -> None:
    assert refusal(resigned(small.certified, pki.auditor, change)) == ("seal", sentence)


def test_a_container_signed_again_is_taken(small: Reports, pki: Pki) -> None:
    """Without an attack the same machinery changes nothing that is refused."""
    pdf = resigned(small.certified, pki.auditor, lambda sd, signer: None)
    assert verify(pdf, printer=kit.page).failed is None


@pytest.mark.parametrize("sentence, change", BYTES, ids=[s for s, _ in BYTES])
def test_how_a_container_may_not_be_written(sentence: str, change: Callable[[bytes], bytes], small: Reports) -> None:
    assert refusal(change(small.certified)) == ("seal", sentence)


@pytest.mark.parametrize("padded", ["rsassa_pkcs1v15", "rsassa_pss"])
@pytest.mark.parametrize("size, refused", [(2047, True), (2048, False)])
def test_a_key_has_at_least_2048_bits(size: int, refused: bool, padded: str, small: Reports, pki: Pki) -> None:
    key = pki.issue("Ada Auditor", f"auditor of {size} bits", size=size)
    pdf = kit.report(small.files, key)
    if padded == "rsassa_pss":
        pdf = resigned_pss(pdf, key)
    failed = verify(pdf, printer=kit.page).failed
    assert (failed is not None) is refused
    assert failed is None or (failed.name, failed.detail) == ("seal", "a signature's algorithm is not accepted")


def resigned_pss(pdf: bytes, key: SigningKey) -> bytes:
    """The last signature by the other padding, over the same attributes."""
    info = cms.ContentInfo.load(der_of(pdf))
    signer = info["content"]["signer_infos"][0]
    by("rsassa_pss", algos.RSASSAPSSParams(PSS | {"hash_algorithm": {"algorithm": "sha256"}}))(None, signer)
    message = signer["signed_attrs"].untag().dump(force=True)
    pss = padding.PSS(padding.MGF1(hashes.SHA256()), PSS["salt_length"])
    signer["signature"] = key.private_key.sign(message, pss, hashes.SHA256())
    return refilled(pdf, info.dump(force=True))


# --- the file: changed anywhere, and sealed again ---


def sealed_again(pdf: bytes, key: SigningKey) -> bytes:
    """The last signature made anew over the bytes as they are."""
    from pyhanko.sign.signers.pdf_cms import PdfCMSSignedAttributes

    from reports.sign import _signer

    items = list(re.finditer(rb"/Contents <([0-9A-F]+)>", pdf))[-1]
    start, stop = items.start(1) - 1, items.end(1) + 1
    ranged = list(re.finditer(rb"/ByteRange \[[0-9 ]+\]", pdf))[-1]
    numbers = b"/ByteRange [0 %d %d %d" % (start, stop, len(pdf) - stop)
    numbers = numbers.ljust(len(ranged[0]) - 1) + b"]"
    assert len(numbers) == len(ranged[0])
    pdf = pdf[: ranged.start()] + numbers + pdf[ranged.end() :]
    digest = hashlib.sha256(pdf[:start] + pdf[stop:]).digest()
    settings = PdfCMSSignedAttributes(signing_time=None)
    built = asyncio.run(_signer(key).async_sign(digest, "sha256", use_pades=True, signed_attr_settings=settings))
    return pdf[: start + 1] + built.dump().hex().upper().encode().ljust(stop - start - 2, b"0") + pdf[stop - 1 :]


def swapped(pattern: bytes, new: bytes, *, last: bool = True) -> Callable[[bytes], bytes]:
    """What matches is replaced in the same room."""

    def change(pdf: bytes) -> bytes:
        items = list(re.finditer(pattern, pdf))[-1 if last else 0]
        assert len(new) <= len(items[0])
        return pdf[: items.start()] + new.ljust(len(items[0])) + pdf[items.end() :]

    return change


def dictionary(new: bytes) -> Callable[[bytes], bytes]:
    """The dictionary of the first stream of the file is other values."""

    def change(pdf: bytes) -> bytes:
        at = pdf.index(b" obj\n") + 5
        end = pdf.index(b"stream", at)
        return pdf[:at] + new.ljust(end - at) + pdf[end:]

    return change


def table(rows: Callable[[bytes], bytes] = lambda d: d, *, entries: bytes = b"", behind: bytes = b"",
          index: Callable[[bytes], bytes] = lambda i: i) -> Callable[[bytes], bytes]:  # fmt: skip
    """The last table written again, with other rows, entries of its dictionary, or bytes behind what is packed."""

    def change(pdf: bytes) -> bytes:
        start = int(re.findall(rb"startxref\s+(\d+)", pdf)[-1])
        head, _, rest = pdf[start:].partition(b"stream")
        eol = re.match(rb"\r?\n", rest)
        assert eol is not None
        length = int(re.findall(rb"/Length (\d+)", head)[0])
        content = zlib.decompress(rest[eol.end() : eol.end() + length])
        packed = zlib.compress(rows(content)) + behind
        head = re.sub(rb"/Length \d+", b"/Length %d" % len(packed) + entries, head)
        head = re.sub(rb"/Index ?\[([^\]]*)\]", lambda m: b"/Index [" + index(m[1]) + b"]", head)
        return pdf[:start] + head + b"stream" + eol[0] + packed + rest[eol.end() + length :]

    return change


def lying(index: bytes, by: int) -> bytes:
    """The last section of a table's index says that it begins at `by`, or where another of its size does."""
    pairs = [[int(n) for n in index.split()][i : i + 2] for i in range(0, len(index.split()), 2)]
    same = next((a for a, n in pairs[:-1] if n == pairs[-1][1] and a), 0)
    pairs[-1][0] = by or same
    return b" ".join(b"%d %d" % (a, n) for a, n in pairs)


def widths(pdf: bytes) -> list[int]:
    return [int(n) for n in re.findall(rb"/W ?\[ ?(\d+) (\d+) (\d+)", pdf)[-1]]


FILES: list[tuple[str, Callable[[bytes], bytes]]] = [
    ("the file does not begin as Assay writes it", swapped(rb"%[\x80-\xff]{4}\n", b"%abcd\n", last=False)),
    ("bytes of the file belong to no object",
     lambda d: d[: d.rindex(b"startxref")] + b"% x\n" + d[d.rindex(b"startxref") :]),
    ("a revision of the file does not end with its table", swapped(rb"(?<=startxref\n)\d", b"0")),
    ("a stream of the file does not state its length", swapped(rb"/Length \d+", b"", last=False)),
    ("a stream of the file is longer or shorter than it says", swapped(rb"/Length \d+", b"/Length 9", last=False)),
    ("a stream of the file has no dictionary", dictionary(b"[1]")),
    ("an object of the file cannot be read", dictionary(b"!")),
    ("an object of the file is written twice, or as a later generation", swapped(rb" 0 obj", b" 1 obj", last=False)),
    ("a revision of the file does not end with its table", swapped(rb"/Type ?/XRef", b"/Type/XReg")),
    ("a table of the file does not continue the one before", swapped(rb"/Prev \d+", b"/Prev 7")),
    ("a table of the file cannot be read", swapped(rb"/W ?\[[ 0-9]+\]", b"/W [0 0]")),
    ("a table of the file is packed in another way than Assay packs it", swapped(rb"/FlateDecode", b"/LZWDecode")),
    ("a table of the file is packed in another way than Assay packs it",
     swapped(rb"/Predictor 12", b"/Predictor 13", last=False)),
    ("a table of the file is packed in another way than Assay packs it",
     lambda d: table(entries=b"/DecodeParms<</Predictor 12/Columns %d>>" % sum(widths(d)))(d)),
    ("a table of the file has another length than it says", table(lambda rows: rows + rows)),
    ("a table of the file is larger than it says", table(behind=b"more")),
    ("a table of the file cannot be unpacked",
     swapped(rb"(?s)(?<=stream)\r?\n..(?=.{1,400}endstream\s+endobj\s+startxref)", b"\n!!")),
    ("a table of the file lists an object that is not there", table(lambda rows: b"\2" + rows[1:])),
    ("a table of the file lists an object twice", table(index=lambda i: lying(i, 0))),
    ("a table of the file does not list the objects that stand there", table(index=lambda i: lying(i, 900))),
]  # fmt: skip


@pytest.mark.parametrize("sentence, change", FILES, ids=[f"{i} {s}" for i, (s, _) in enumerate(FILES)])
def test_how_the_bytes_of_a_file_may_not_lie(
    sentence: str, change: Callable[[bytes], bytes], small: Reports, pki: Pki
) -> None:
    assert refusal(sealed_again(change(small.certified), pki.auditor)) == ("structure", sentence)


def test_a_file_sealed_again_is_taken(small: Reports, pki: Pki) -> None:
    verification = verify(sealed_again(table()(small.certified), pki.auditor), printer=kit.page)
    assert verification.failed is None, verification.failed
