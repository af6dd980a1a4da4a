"""Tokens in the events of language models."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from straingauge.http.streaming.event import Event

# Fields of a piece of output that hold text, thoughts or arguments of a tool.
_CONTENT: Final = (
    *("content", "text", "thinking", "reasoning", "reasoning_content"),
    *("tool_calls", "partial_json", "refusal"),
)


def has_token(event: Event) -> bool:
    """Check whether an event brings output of a language model.

    It knows the chat, completion and response streams of OpenAI and of services with the same
    interface, and the streams of Anthropic and Ollama. What only opens or closes the output, such
    as the role or the reason of the end, brings none.
    """
    if not event.data.startswith("{"):
        return False
    try:
        found = event.json()
    except ValueError:
        return False
    return any(_pieces(found))


def _pieces(found: Mapping[str, Any]) -> Iterator[Any]:
    """Yield what may be output: each is empty, or None, if there is none."""
    choices = found.get("choices")  # OpenAI: chat, and completions
    for choice in choices if isinstance(choices, list) else ():
        if isinstance(choice, Mapping):
            yield choice.get("text")
            yield from _contents(choice.get("delta"))
    delta = found.get("delta")  # OpenAI's responses: text; Anthropic: an object
    yield delta if isinstance(delta, str) else None
    yield from _contents(delta)
    yield from _contents(found.get("message"))  # Ollama: chat
    response = found.get("response")  # Ollama: generate
    yield response if isinstance(response, str) else None


def _contents(part: Any) -> Iterator[Any]:  # noqa: ANN401  any JSON
    if isinstance(part, Mapping):
        yield from (part.get(name) for name in _CONTENT)
