"""Sinks of one phase by endpoint."""

from typing import Final

from straingauge.engine.load import EndpointSink, OutcomeSink, TransactionSink

_CACHED: Final = 1024  # more than are recorded apart; names with ids would fill the memory


class EndpointSinks(dict[str, EndpointSink]):
    """The sinks of one phase by endpoint, each made when first needed."""

    def __init__(self, sink: OutcomeSink, phase: str, origin_ns: int) -> None:
        super().__init__()
        self._sink = sink
        self._phase = phase
        self._origin_ns = origin_ns
        self._transactions: dict[str, TransactionSink] = {}

    def __missing__(self, endpoint: str) -> EndpointSink:
        made = self._sink.endpoint_sink(self._phase, endpoint, self._origin_ns)
        if len(self) < _CACHED:
            self[endpoint] = made
        return made

    def transaction_sink(self, name: str) -> TransactionSink:
        """Return the sink of the transactions of a name."""
        found = self._transactions.get(name)
        if found is None:
            found = self._sink.transaction_sink(self._phase, name)
            if len(self._transactions) < _CACHED:
                self._transactions[name] = found
        return found
