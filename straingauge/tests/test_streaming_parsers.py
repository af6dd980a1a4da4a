"""Parsers of streams: server-sent events by the WHATWG's rules, lines and chunks."""

from collections.abc import Iterator
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from straingauge.http import Event
from straingauge.http.streaming.event_stream import EventStreamParser, EventTooLarge
from straingauge.http.streaming.plain import ChunkParser, LineParser
from straingauge.http.streaming.tokens import has_token

LIMIT = 1000
# The examples of the WHATWG's chapter on server-sent events, and its corner cases.
CASES = {
    "one line": (b"data: a\n\n", [Event("a")]),
    "two lines": (b"data: YHOO\ndata: +2\ndata: 10\n\n", [Event("YHOO\n+2\n10")]),
    "comment": (b": test stream\n\ndata: first\nid: 1\n\n", [Event("first", id="1")]),
    "id lasts": (b"data: a\nid: 1\n\ndata: b\n\n", [Event("a", id="1"), Event("b", id="1")]),
    "id is reset": (b"data: a\nid: 1\n\ndata: b\nid\n\n", [Event("a", id="1"), Event("b")]),
    "one space is removed": (b"data:test\n\ndata:  test\n\n", [Event("test"), Event(" test")]),
    "empty data": (b"data\n\ndata\ndata\n\ndata:", [Event(""), Event("\n")]),
    "type": (b"event: add\ndata: 7\n\ndata: 8\n\n", [Event("7", "add"), Event("8")]),
    "type without data": (b"event: add\n\ndata: 8\n\n", [Event("8")]),
    "unfinished event": (b"data: a\n\ndata: b\n", [Event("a")]),
    "CR": (b"data: a\r\rdata: b\r\r", [Event("a"), Event("b")]),
    "CRLF": (b"data: a\r\ndata: b\r\n\r\n", [Event("a\nb")]),
    "mixed line ends": (b"data: a\r\ndata: b\n\rdata: c\r\n\n", [Event("a\nb"), Event("c")]),
    "byte order mark": (b"\xef\xbb\xbfdata: a\n\n", [Event("a")]),
    "two byte order marks": (b"\xef\xbb\xbf\xef\xbb\xbfdata: a\n\ndata: b\n\n", [Event("b")]),
    "retry": (b"retry: 250\ndata: a\n\n", [Event("a", retry_ms=250)]),
    "retry is no number": (b"retry: 2.5\nretry:\ndata: a\n\n", [Event("a")]),
    "NUL in an id": (b"id: a\0b\ndata: a\n\n", [Event("a")]),
    "unknown field": (b"data: a\nother: b\nDATA: c\n\n", [Event("a")]),
    "colons in the value": (b'data: {"a": 1}\n\n', [Event('{"a": 1}')]),
    "invalid UTF-8": (b"data: a\xff\n\n", [Event("a\ufffd")]),
    "UTF-8": ("data: \u00e9\u2028x\n\n".encode(), [Event("\u00e9\u2028x")]),
}


def pieces(body: bytes, cuts: list[int]) -> Iterator[bytes]:
    """Cut a body at these places."""
    places = sorted({0, len(body), *(cut % (len(body) + 1) for cut in cuts)})
    for start, end in pairwise(places):
        yield body[start:end]


@pytest.mark.parametrize("name", CASES)
@given(cuts=st.lists(st.integers(0, 100)))
def test_events_do_not_depend_on_where_the_body_is_cut(name: str, cuts: list[int]):
    """Each case of the rules gives its events, in whatever pieces the body arrives."""
    body, expected = CASES[name]
    for places in (cuts, list(range(len(body)))):
        parser = EventStreamParser(LIMIT)
        events = [event for piece in pieces(body, places) for event in parser.feed(piece)]
        assert [*events, *parser.finish()] == expected


def test_an_event_is_there_with_its_empty_line():
    """An event that ends in CR does not wait for a line feed that may follow."""
    parser = EventStreamParser(LIMIT)
    assert list(parser.feed(b"data: a\r\n\r")) == [Event("a")]
    assert list(parser.feed(b"\ndata: b\r\n\r")) == [Event("b")]


@pytest.mark.parametrize(
    "body", [b"data: " + b"a" * 2000, b"data: " + b"a\ndata: " * 1000, b"a" * 2000]
)
def test_a_large_event_is_refused_before_its_end(body: bytes):
    """An event without an end takes no more memory than the limit."""
    parser = EventStreamParser(LIMIT)
    with pytest.raises(EventTooLarge, match="more than 1000 bytes"):
        _ = [list(parser.feed(piece)) for piece in pieces(body, list(range(0, len(body), 100)))]


@given(cuts=st.lists(st.integers(0, 100)))
def test_lines(cuts: list[int]):
    """NDJSON is one event in each line; the last one needs no line end, the first has no mark."""
    parser = LineParser(LIMIT)
    body = b'\xef\xbb\xbf{"a": 1}\r\n\n{"b": "\xc3\xa9"}\n  \n{"c": 3}'
    events = [event.data for piece in pieces(body, cuts) for event in parser.feed(piece)]
    events += [event.data for event in parser.finish()]
    assert events == ['{"a": 1}', '{"b": "é"}', '{"c": 3}']


def test_a_large_line_is_refused():
    """A line without an end takes no more memory than the limit."""
    parser = LineParser(LIMIT)
    with pytest.raises(EventTooLarge, match="line of more than 1000 bytes"):
        _ = [list(parser.feed(b"a" * 100)) for _ in range(20)]


def test_chunks():
    """Each piece is an event; a character that is cut is whole in the later one."""
    parser = ChunkParser(LIMIT)
    cut = [each.data for piece in (b"\xf0\x9f", b"\x98", b"\x80!") for each in parser.feed(piece)]
    assert cut == ["", "", "\U0001f600!"]
    assert [each.data for piece in (b"a", b"", b"bc") for each in parser.feed(piece)] == ["a", "bc"]


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        ('{"choices": [{"delta": {"content": "a"}}]}', True),
        ('{"choices": [{"delta": {"role": "assistant", "content": ""}}]}', False),
        ('{"choices": [{"delta": {}, "finish_reason": "stop"}]}', False),
        ('{"choices": [], "usage": {"completion_tokens": 3}}', False),
        ('{"choices": [{"delta": {"reasoning_content": "hm"}}]}', True),
        ('{"choices": [{"delta": {"tool_calls": [{"index": 0}]}}]}', True),
        ('{"choices": [{"text": "a"}]}', True),
        ('{"type": "response.output_text.delta", "delta": "a"}', True),
        ('{"type": "response.completed", "response": {"id": "r"}}', False),
        ('{"type": "content_block_delta", "delta": {"type": "text_delta", "text": "a"}}', True),
        ('{"type": "message_delta", "delta": {"stop_reason": "end_turn"}}', False),
        ('{"type": "message_start", "message": {"content": []}}', False),
        ('{"message": {"role": "assistant", "content": "a"}, "done": false}', True),
        ('{"response": "a", "done": false}', True),
        ('{"response": "", "done": true}', False),
        ('{"choices": 3, "delta": 1, "message": "a"}', False),
        ("[1]", False),
        ("{broken", False),
        ("[DONE]", False),
    ],
)
def test_tokens_of_language_models(data: str, expected: bool):  # noqa: FBT001  a table
    """Output is a token; what opens or closes it is none."""
    assert has_token(Event(data)) is expected
