"""Multipart forms, parsed as they arrive."""

from collections.abc import AsyncIterator

import pytest
from app.audio.multipart import MalformedForm, read_form
from hypothesis import given
from hypothesis import strategies as st


@given(
    st.dictionaries(
        st.from_regex(r"[a-z]{1,8}", fullmatch=True), st.binary(max_size=300), max_size=4
    ),
    st.lists(st.integers(1, 60), min_size=1, max_size=20),
)
async def test_form_parsing_is_independent_of_chunks(fields: dict[str, bytes], cuts: list[int]):
    """The parts of a form do not depend on the chunks in which it arrives."""
    parts = {name: data for name, data in fields.items() if b"\r\n--bound" not in data}
    head = b'--bound\r\nContent-Disposition: form-data; name="%s"\r\n\r\n'
    body = b"".join(head % name.encode() + data + b"\r\n" for name, data in parts.items())

    async def chunks() -> AsyncIterator[bytes]:
        rest = body + b"--bound--\r\n"
        for number in range(len(rest)):
            size = cuts[number % len(cuts)]
            if rest:
                yield rest[:size]
            rest = rest[size:]

    found: dict[str, bytes] = {}
    async for chunk in read_form("multipart/form-data; boundary=bound", chunks()):
        found[chunk.part.name] = found.get(chunk.part.name, b"") + chunk.data
    assert found == parts


async def test_incomplete_form_is_malformed():
    """A body without its closing boundary is malformed."""

    async def body() -> AsyncIterator[bytes]:
        yield b'--x\r\nContent-Disposition: form-data; name="a"\r\n\r\nhalf'

    with pytest.raises(MalformedForm, match="closing boundary"):
        [chunk async for chunk in read_form("multipart/form-data; boundary=x", body())]
