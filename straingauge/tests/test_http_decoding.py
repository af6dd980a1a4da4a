"""Contents as servers encode them, and JSON as they write it."""

import codecs
import gzip
import json
import zlib

import brotli
import pytest
from straingauge.http import Response, encode_headers
from straingauge.http.decoding import decode
from straingauge.journey import User

TEXT = b"content " * 1000
GZIPPED = gzip.compress(TEXT, mtime=0)  # names of tests must not depend on the time


def _raw_deflate(data: bytes) -> bytes:
    deflater = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return deflater.compress(data) + deflater.flush()


@pytest.mark.parametrize(
    ("encoding", "raw"),
    [
        ("gzip", GZIPPED),
        ("GZIP", gzip.compress(TEXT[:999]) + gzip.compress(b"") + gzip.compress(TEXT[999:])),
        ("x-gzip", GZIPPED + b"\0" * 100),
        ("deflate", zlib.compress(TEXT)),
        ("deflate", _raw_deflate(TEXT)),
        ("br", brotli.compress(TEXT)),
        ("gzip, br", brotli.compress(GZIPPED)),
        ("identity", TEXT),
        ("", TEXT),
    ],
)
def test_each_coding_is_decoded(encoding: str, raw: bytes):
    """All members of gzip, deflate with and without zlib's header, brotli, and several of them."""
    assert decode(raw, encoding) == TEXT


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "br", "zstd"])
def test_an_empty_body_is_not_encoded(encoding: str):
    """Responses to HEAD, and those with 204 or 304, may have the header without a body."""
    assert decode(b"", encoding) == b""


@pytest.mark.parametrize(
    ("encoding", "raw"),
    [
        ("gzip", GZIPPED[:-9]),
        ("gzip", GZIPPED + GZIPPED[:-9]),
        ("gzip", TEXT),
        ("deflate", TEXT),
        ("br", brotli.compress(TEXT)[:-2]),
        ("br", b"\xff" * 50),
        ("compress", TEXT),
    ],
)
def test_a_body_that_is_not_what_it_claims_is_a_value_error(encoding: str, raw: bytes):
    """Content that is cut off, of another coding or of an unknown one is named as such."""
    with pytest.raises(ValueError, match=encoding):
        decode(raw, encoding)


@pytest.mark.parametrize("raw", [brotli.compress(b"\0" * 5_000_000), GZIPPED * 500])
def test_a_bomb_of_any_coding_is_cut_off(raw: bytes, monkeypatch: pytest.MonkeyPatch):
    """The limit holds for brotli and for all members of gzip together."""
    monkeypatch.setattr("straingauge.http.decoding.MAX_BODY_BYTES", 1_000_000)
    with pytest.raises(ValueError, match="inflates to more than 1000000"):
        decode(raw, "gzip" if raw.startswith(b"\x1f\x8b") else "br")


@pytest.mark.parametrize(
    "text",
    [
        b'{"id": 18446744073709551616}',
        b'{"id": -123456789012345678901234567890}',
        b'{"id": 9007199254740993, "x": 0.1}',
        b'["12345678901234567890"]',
        codecs.BOM_UTF8 + b'{"a": "\xc3\xbc"}',
        '{"a": "\u00fc"}'.encode("utf-16"),
    ],
)
def test_json_is_read_as_it_was_written(text: bytes):
    """Integers of any size are exact, and a byte order mark is no error."""
    request = User(0).get("/x")
    assert Response(request, 200, encode_headers([]), text).json() == json.loads(text)
