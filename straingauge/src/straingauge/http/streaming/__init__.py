"""Responses that are read as they come: server-sent events, NDJSON and plain chunks, without I/O.

`Stream` declares how a request's response is read, `StreamReader` reads it: the parsers cut the
body into events, and the reader measures when each event came.
"""

from straingauge.http.streaming.event import Event
from straingauge.http.streaming.stream import Stream, as_stream
from straingauge.http.streaming.stream_reader import StreamReader, StreamResponse

__all__ = ["Event", "Stream", "StreamReader", "StreamResponse", "as_stream"]
