"""The Merkle log: RFC 6962's trees and proofs, C2SP notes, appends that are locked and survive a kill."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from audit.errors import AssayError, DataError, InputError, OutputError
from reports.log import merkle
from reports.log.note import Checkpoint, NoteKey, Verifier, read_checkpoint
from reports.log.store import CHECKPOINT, ENTRIES, KEY, Log, LogCopy, read_copy, read_log

# The eight leaves of Certificate Transparency's own tests, and the roots over the first n of them.
CT = [bytes.fromhex(h) for h in ("", "00", "10", "2021", "3031", "40414243", "5051525354555657")]
CT.append(bytes.fromhex("606162636465666768696a6b6c6d6e6f"))
CT_ROOTS = {
    0: "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    1: "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    2: "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    3: "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    5: "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    8: "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
}


def leaves(n: int) -> list[bytes]:
    return [merkle.leaf_hash(b"%d" % i) for i in range(n)]


def defined(rows: list[bytes]) -> bytes:
    """MTH of RFC 6962, section 2.1, word by word."""
    if not rows:
        return hashlib.sha256(b"").digest()
    if len(rows) == 1:
        return hashlib.sha256(b"\0" + rows[0]).digest()
    k = max(2**i for i in range(20) if 2**i < len(rows))
    return hashlib.sha256(b"\1" + defined(rows[:k]) + defined(rows[k:])).digest()


@pytest.mark.parametrize("n", sorted(CT_ROOTS))
def test_roots_are_those_of_certificate_transparency(n: int) -> None:
    assert merkle.root([merkle.leaf_hash(d) for d in CT[:n]]).hex() == CT_ROOTS[n]


@pytest.mark.parametrize("n", range(40))
def test_roots_are_as_defined(n: int) -> None:
    rows = [b"%d" % i for i in range(n)]
    assert merkle.root([merkle.leaf_hash(r) for r in rows]) == defined(rows)


def test_every_inclusion_proof_holds_and_no_other_leaf_size_or_place_does() -> None:
    for n in range(1, 34):
        tree = leaves(n)
        top = merkle.root(tree)
        for i in range(n):
            proof = merkle.inclusion_proof(tree, i)
            assert merkle.includes(tree[i], i, n, proof, top)
            assert not merkle.includes(merkle.leaf_hash(b"other"), i, n, proof, top)
            assert not merkle.includes(tree[i], n, n, proof, top)
            assert not merkle.includes(tree[i], i, n, (*proof, top), top)
            if proof:
                assert not merkle.includes(tree[i], i, n, proof[:-1], top)
                assert not merkle.includes(tree[i], (i + 1) % n, n, proof, top)


def test_every_consistency_proof_holds_and_a_changed_past_does_not() -> None:
    for n in range(1, 34):
        tree = leaves(n)
        top = merkle.root(tree)
        for old in range(n + 1):
            proof = merkle.consistency_proof(tree, old)
            before = merkle.root(tree[:old])
            assert merkle.extends(old, before, n, top, proof)
            if old:
                changed = [merkle.leaf_hash(b"other"), *tree[1:]]
                assert not merkle.extends(old, merkle.root(changed[:old]), n, top, proof)
                again = merkle.consistency_proof(changed, old)
                assert not merkle.extends(old, before, n, merkle.root(changed), again)
            if proof:
                assert not merkle.extends(old, before, n, top, proof[:-1])


@settings(max_examples=60, deadline=None)
@given(st.integers(2, 200), st.data())
def test_a_random_step_in_a_proof_refutes_it(n: int, data: st.DataObject) -> None:
    tree = leaves(n)
    i = data.draw(st.integers(0, n - 1))
    proof = list(merkle.inclusion_proof(tree, i))
    at = data.draw(st.integers(0, len(proof) - 1))
    proof[at] = data.draw(st.binary(min_size=32, max_size=32).filter(lambda b: b != proof[at]))
    assert not merkle.includes(tree[i], i, n, proof, merkle.root(tree))


def test_an_entry_cannot_pass_for_a_node() -> None:
    """The trap that 0x00 and 0x01 are there for: an entry made of two hashes has not the hash of their parent."""
    a, b = leaves(2)
    assert merkle.leaf_hash(a + b) != merkle.node_hash(a, b)


# --- notes ---


def test_the_notes_of_the_specification_are_read() -> None:
    """The key and note of Go's own tests of signed notes (golang.org/x/mod/sumdb/note)."""
    key = Verifier.parse("PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW")
    note = (
        "If you think cryptography is the answer to your problem,\n"
        "then you don't know what your problem is.\n\n"
        "\u2014 PeterNeumann "
        "x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n"
    )
    assert key.open(note.encode()).startswith("If you think")
    assert key.text.startswith("PeterNeumann+c74f20a3+")
    with pytest.raises(InputError, match="does not hold"):
        key.open(note.replace("answer", "Answer").encode())


def test_a_checkpoint_is_signed_and_read() -> None:
    key = NoteKey.new("assay/log/1")
    built = Checkpoint("assay/log/1", 3, merkle.root(leaves(3)))
    note = key.sign(built.text)
    assert note.decode().split("\n")[:3] == ["assay/log/1", "3", base64.b64encode(built.root).decode()]
    assert read_checkpoint(note, Verifier.parse(key.verifier.text)) == built
    # A witness may sign too; its line is ignored.
    assert read_checkpoint(note + "\u2014 witness AAAAAAAA\n".encode(), key.verifier) == built


@pytest.mark.parametrize(
    "spoil",
    [
        lambda n: n.replace(b"\n3\n", b"\n4\n"),
        lambda n: n.replace(b"\n3\n", b"\n03\n"),
        lambda n: n[:-1],
        lambda n: n.replace(b"\n\n", b"\n"),
        lambda n: b"\xff" + n,
        lambda n: n.replace(b"assay/log/1", b"assay/log/2"),
        lambda n: b"",
    ],
)
def test_a_spoiled_checkpoint_is_refused(spoil: object) -> None:
    key = NoteKey.new("assay/log/1")
    note = key.sign(Checkpoint("assay/log/1", 3, merkle.root(leaves(3))).text)
    with pytest.raises(InputError):
        read_checkpoint(spoil(note), key.verifier)  # type: ignore[operator]
    with pytest.raises(InputError, match="not signed by the log's key"):
        read_checkpoint(note, NoteKey.new("assay/log/1").verifier)


def test_keys_with_another_id_or_kind_are_refused() -> None:
    text = NoteKey.new("a/b").verifier.text
    name, key_id, key = text.split("+", 2)
    for bad in (f"{name}+00000000+{key}", f"{name}+{key_id}", f"{name}+{key_id}+{'A' * 44}", f"a b+{key_id}+{key}"):
        with pytest.raises(InputError):
            Verifier.parse(bad)


# --- on disk ---


def entry(i: int) -> dict[str, object]:
    return {"type": "test", "n": i}


def test_entries_are_appended_and_read_back(tmp_path: Path) -> None:
    log = Log(tmp_path / "log")
    assert log.view().checkpoint.size == 0
    first = log.append(lambda view: [entry(0), entry(1)])
    second = log.append(lambda view: [entry(len(view.entries))])
    assert [e["n"] for e in second.entries] == [0, 1, 2]
    assert read_log(read_copy(tmp_path / "log")) == second
    assert second.at(2) == first.checkpoint
    proof = merkle.consistency_proof(second.leaves, 2)
    assert merkle.extends(2, first.checkpoint.root, 3, second.checkpoint.root, proof)
    assert (tmp_path / "log" / KEY).stat().st_mode & 0o077 == 0
    assert (tmp_path / "log" / ENTRIES).read_bytes().splitlines()[0] == b'{"n":0,"type":"test"}'


def test_nothing_is_added_where_making_the_entry_fails(tmp_path: Path) -> None:
    log = Log(tmp_path)
    before = log.append(lambda view: [entry(0)])

    def fail(view: object) -> list[dict[str, object]]:
        raise InputError("no")

    with pytest.raises(InputError):
        log.append(fail)
    assert log.view() == before


@pytest.mark.parametrize("at", [1, 2])
def test_a_disk_that_is_full_leaves_the_log_as_it_was(at: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first flush is of the entries, the second of the checkpoint; what was not signed for is taken back."""
    log = Log(tmp_path)
    before = log.append(lambda view: [entry(0)])
    files = {p.name: p.read_bytes() for p in tmp_path.iterdir()}
    count, real = 0, os.fsync

    def full(handle: int) -> None:
        nonlocal count
        count += 1
        if count == at:
            raise OSError(28, "No space left on device")
        real(handle)

    with monkeypatch.context() as patch:
        patch.setattr("reports.log.store.os.fsync", full)
        with pytest.raises(OutputError, match="could not be written"):
            log.append(lambda view: [entry(1)])
    assert {p.name: p.read_bytes() for p in tmp_path.iterdir()} == files
    assert log.append(lambda view: [entry(2)]).leaves[:1] == before.leaves
    assert [e["n"] for e in log.read().entries] == [0, 2]


def changed(content: bytes) -> bytes:
    return content.replace(b'"n":1', b'"n":7')


def removed(content: bytes) -> bytes:
    return b"".join(content.splitlines(keepends=True)[1:])


def swapped(content: bytes) -> bytes:
    lines = content.splitlines(keepends=True)
    return b"".join([lines[1], lines[0], *lines[2:]])


@pytest.mark.parametrize("spoil", [changed, removed, swapped])
def test_a_changed_log_is_refused_by_readers_and_writers(spoil: object, tmp_path: Path) -> None:
    log = Log(tmp_path)
    log.append(lambda view: [entry(i) for i in range(5)])
    path = tmp_path / ENTRIES
    path.write_bytes(spoil(path.read_bytes()))  # type: ignore[operator]
    for use in (log.view, lambda: log.append(lambda view: [entry(9)])):
        with pytest.raises(DataError, match=r"not those that its checkpoint|shorter than its checkpoint"):
            use()


def test_a_copy_without_the_key_can_be_read_and_not_added_to(tmp_path: Path) -> None:
    log = Log(tmp_path)
    log.append(lambda view: [entry(0)])
    (tmp_path / KEY).unlink()
    assert len(log.view().entries) == 1
    with pytest.raises(InputError, match="no key"):
        log.append(lambda view: [entry(1)])
    (tmp_path / CHECKPOINT).unlink()
    with pytest.raises(InputError, match="no log here"):
        read_copy(tmp_path)


def test_what_a_killed_append_leaves_is_taken_up_or_cut_off(tmp_path: Path) -> None:
    log = Log(tmp_path)
    signed = log.append(lambda view: [entry(0)])
    with (tmp_path / ENTRIES).open("ab") as stream:
        stream.write(b'{"n":1,"type":"test"}\n{"n":2,"ty')
    assert log.view() == signed
    after = log.append(lambda view: [entry(len(view.entries))])
    assert [e["n"] for e in after.entries] == [0, 1, 2]
    assert len((tmp_path / ENTRIES).read_bytes().splitlines()) == 3
    assert log.view() == after


WRITER = """
import sys
from pathlib import Path
from reports.log import Log
log, who = Log(Path(sys.argv[1])), sys.argv[2]
print("up", flush=True)
for i in range(int(sys.argv[3])):
    log.append(lambda view: [{"type": "test", "who": who, "i": i, "at": len(view.entries)}])
"""


def writer(folder: Path, who: str, times: int, root: Path) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-c", WRITER, str(folder), who, str(times)]
    return subprocess.Popen(command, cwd=root, stdout=subprocess.PIPE, env={**os.environ, "PYTHONPATH": str(root)})


def test_processes_that_append_at_once_lose_nothing(tmp_path: Path, root: Path) -> None:
    """Each entry states the size it was appended to: with a lock that is its own index, without gaps or doubles."""
    processes = [writer(tmp_path / "log", name, 12, root) for name in "abc"]
    assert [p.wait(120) for p in processes] == [0, 0, 0]
    for p in processes:
        assert p.stdout is not None
        p.stdout.close()
    entries = read_log(read_copy(tmp_path / "log")).entries
    assert [e["at"] for e in entries] == list(range(36))
    for name in "abc":
        assert [e["i"] for e in entries if e["who"] == name] == list(range(12))


def test_a_kill_in_the_middle_leaves_a_log_that_goes_on(tmp_path: Path, root: Path) -> None:
    log = Log(tmp_path / "log")
    log.view()
    process = writer(tmp_path / "log", "a", 100_000, root)
    assert process.stdout is not None
    process.stdout.readline()
    while not (tmp_path / "log" / ENTRIES).exists() or (tmp_path / "log" / ENTRIES).stat().st_size < 2000:
        assert process.poll() is None
    process.send_signal(signal.SIGKILL)
    process.wait(30)
    process.stdout.close()
    seen = log.view()
    after = log.append(lambda view: [entry(len(view.entries))])
    assert after.leaves[: len(seen.leaves)] == seen.leaves
    assert after.entries[-1]["n"] == len(after.entries) - 1


@settings(max_examples=40, deadline=None)
@given(st.binary(max_size=300), st.binary(max_size=300))
def test_any_bytes_for_a_log_give_one_error(entries: bytes, note: bytes) -> None:
    key = NoteKey.new("a/b")
    for given_note in (note, key.sign(Checkpoint("a/b", 1, merkle.root([merkle.leaf_hash(entries)])).text)):
        try:
            read_log(LogCopy(entries + b"\n", given_note, key.verifier.text.encode()))
        except AssayError:
            continue
        assert isinstance(json.loads(entries), dict)
