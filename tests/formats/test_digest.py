"""Digests: what is one, what it names, and what bytes have it."""

from __future__ import annotations

import hashlib

import pytest

from ocistore.formats.digest import Digest, can_hash, leads_out, matches, parse_digest

HEX = "0123456789abcdef" * 8


@pytest.mark.parametrize(
    "text",
    [
        "sha256:" + HEX[:64],
        "sha384:" + HEX[:96],
        "sha512:" + HEX,
        "blake3:" + HEX[:64],
        "multihash+base58:QmRZxt2b1FVZPNqd8hsiykDL3TdBDeTSPX9Kv46HmX4Gx8",
        "sha256+b64u:LCa0a2j_xo_5m0U8HTBBNBNCLXBkg7-g-YpeiGJm564",
    ],
)
def test_a_digest_of_the_grammar_is_one(text: str) -> None:
    """Registered algorithms have their length in lower-case hex, others any encoding of the grammar."""
    parsed = parse_digest(text)

    assert parsed is not None
    assert (parsed.text, parsed.path) == (text, text.replace(":", "/", 1))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "sha256",
        "sha256:",
        "sha256:abc",
        "sha256:" + HEX[:64].upper(),
        "sha256:" + HEX[:65],
        "SHA256:" + HEX[:64],
        "sha256:../../etc/passwd",
        "a/b:abc",
        "..:abc",
        "x:a/../b",
        "x:" + "a" * 5000,
        "sha256:" + "٣" * 64,
        "sha256:" + HEX[:63] + "\n",
    ],
)
def test_what_is_against_the_grammar_is_none(text: str) -> None:
    """Wrong length, wrong case, path separators, and foreign digits make no digest."""
    assert parse_digest(text) is None


@pytest.mark.parametrize("text", ["sha256:../x", "sha256:a/b", "x:..", "a\0b"])
def test_a_text_that_would_leave_the_directory_is_told(text: str) -> None:
    """What would be a path out of `blobs/` is told from what is merely malformed."""
    assert leads_out(text)


@pytest.mark.parametrize("algorithm", ["sha256", "sha384", "sha512"])
def test_bytes_match_their_digest_only(algorithm: str) -> None:
    """Hashing is over all pieces, and one other byte doesn't match."""
    digest = Digest(algorithm, hashlib.new(algorithm, b"one two").hexdigest())

    assert (matches(digest, [b"one ", b"two"]), matches(digest, [b"one tvo"])) == (True, False)


def test_blake3_cannot_be_hashed_here() -> None:
    """The standard library has no blake3; asking for it is an error, not a false answer."""
    assert not can_hash("blake3")
    with pytest.raises(ValueError, match="no hash function for blake3"):
        matches(Digest("blake3", HEX[:64]), [b""])
