"""The spans of one request as a tree below the service's first span."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from straingauge.recording.sampled_requests import SampledRequest
from straingauge.result.format.traces import SpanCategory
from straingauge.traces.conventions import category
from straingauge.traces.span import Span, SpanKind

TOLERANCE_NS: Final = 2_000_000  # of clocks of one machine, and of times taken by two programs


@dataclass(frozen=True, slots=True)
class Node:
    """A span with those it caused.

    Attributes:
        span: The span.
        category: What it stands for.
        children: Its children, by their starts.
    """

    span: Span
    category: SpanCategory
    children: "list[Node]" = field(default_factory=list)

    @property
    def is_call(self) -> bool:
        """It is a call to a database, a cache or another service."""
        return self.category in ("database", "http", "cache", "other")

    def walk(self, parent: "Node | None" = None) -> "Iterator[tuple[Node, Node | None]]":
        """Yield it and all below it with their parents, outer ones first."""
        waiting: list[tuple[Node, Node | None]] = [(self, parent)]
        while waiting:
            node, above = waiting.pop()
            yield node, above
            waiting.extend((child, node) for child in reversed(node.children))

    def calls(self) -> "Iterator[tuple[Node, Node]]":
        """Yield the calls of this service with their parents, none of which is a call itself."""
        waiting = [(child, self) for child in reversed(self.children)]
        while waiting:
            node, parent = waiting.pop()
            if node.is_call:
                yield node, parent
            else:
                waiting.extend((child, node) for child in reversed(node.children))


@dataclass(frozen=True, slots=True)
class RequestTrace:
    """One request with its spans.

    Attributes:
        endpoint: The endpoint, as the load counts it.
        request: The request, as the generator measured it.
        root: The service's first span.
        is_skewed: The root does not lie within the request: clocks differ.
        skewed: Number of spans that begin before their parents.
        orphans: Number of spans whose parents are missing; they are children of the root.
    """

    endpoint: str
    request: SampledRequest
    root: Node
    is_skewed: bool
    skewed: int
    orphans: int


def request_trace(
    endpoint: str, request: SampledRequest, spans: Iterable[Span]
) -> RequestTrace | None:
    """Make the tree of one request's spans; None if there are none.

    The root is the longest span whose parent is the request; without one, the longest span of a
    server. Spans of an unknown parent become children of the root, and loops of parents are cut.
    """
    known = {span.span_id: span for span in spans}
    if not known:
        return None
    root = _root(list(known.values()), request.span_id)
    nodes = {span_id: Node(span, category(span)) for span_id, span in known.items()}
    orphans = skewed = 0
    children: dict[str, list[Node]] = defaultdict(list)
    for span_id, node in nodes.items():
        if node.span is root:
            continue
        parent_id = node.span.parent_id
        if parent_id not in nodes or parent_id == span_id or _is_loop(span_id, known):
            # A second span of the request itself is a sibling of the root.
            orphans += parent_id != request.span_id
            parent_id = root.span_id
        elif node.span.start_ns < known[parent_id].start_ns - TOLERANCE_NS:
            skewed += 1
        children[parent_id].append(node)
    for span_id, below in children.items():
        nodes[span_id].children.extend(sorted(below, key=lambda each: each.span.start_ns))
    sent_ns, done_ns = request.sent_unix_ns, request.sent_unix_ns + request.service_ns
    is_skewed = root.start_ns < sent_ns - TOLERANCE_NS or root.start_ns > done_ns + TOLERANCE_NS
    top = nodes[root.span_id]
    return RequestTrace(endpoint, request, top, is_skewed, skewed, orphans)


def _root(spans: Sequence[Span], sender: str) -> Span:
    own = [span for span in spans if span.parent_id == sender]
    servers = [span for span in spans if span.kind is SpanKind.SERVER]
    return max(own or servers or spans, key=lambda span: span.duration_ns)


def _is_loop(span_id: str, known: dict[str, Span]) -> bool:
    """Return true if a span is an ancestor of itself."""
    seen = {span_id}
    above = known[span_id].parent_id
    while above in known:
        if above in seen:
            return True
        seen.add(above)
        above = known[above].parent_id
    return False
