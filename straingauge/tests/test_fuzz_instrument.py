"""A short run of `make fuzz-instrument` with a fixed seed, and its check of each example."""

import json
from pathlib import Path
from random import Random

import pytest
from campaigns.fuzz_instrument.__main__ import as_markdown, inputs, row
from campaigns.fuzz_instrument.files import in_file
from campaigns.fuzz_instrument.mutation import change, damage
from campaigns.fuzz_instrument.trial import Hang, Input, Refused, Tally, try_example
from campaigns.record import Record
from straingauge.errors import UsageError
from straingauge.text_file import read_toml

INPUTS = inputs()
EXAMPLES = {"report": 1, "page": 1, "junit": 1, "explain": 1, "compare": 1, "openapi-real": 0}


@pytest.mark.parametrize("name", [name for name in INPUTS if EXAMPLES.get(name, 1)])
def test_damaged_examples_are_read_or_refused(tmp_path: Path, name: str):
    """Examples of each kind of input give no other error than the documented ones."""
    tally, random = Tally(), Random(f"1 {name}")
    for _ in range(EXAMPLES.get(name, 8)):
        try_example(INPUTS[name], INPUTS[name].make(random), tmp_path, tally)
    assert tally.problems == {}


def _read(example: bytes, folder: Path) -> None:
    if example == b"refused":
        raise Refused
    if example == b"hang":
        raise Hang
    if example == b"wrong":
        raise AssertionError("it is wrong")
    read_toml(folder / example.decode())  # an error of straingauge that is not a refusal


def test_outcomes_are_counted(tmp_path: Path):
    """Refusals are no problem; a hang, a wrong result and another error each are one."""
    each, tally = Input("a", "A", lambda _: b"", _read), Tally()
    for example in (b"refused", b"hang", b"wrong", b"longer.toml", b"b.toml", b"refused"):
        try_example(each, example, tmp_path, tally)
    found = row(each, tally)
    counts = [found[key] for key in ("examples", "refused", "tracebacks", "hangs")]
    assert counts == [6, 2, 3, 1]
    assert [each["count"] for each in found["problems"]] == [1, 1, 2]
    assert "text_file.py" in found["problems"][2]["problem"]
    assert found["problems"][2]["example"] == "b'b.toml'"
    table = as_markdown(Record().as_dict(inputs=[found]))
    assert "| A | 6 | 2 | 3 | 1 |\n| **all** | 6 | 2 | 3 | 1 |" in table


def test_messages_must_name_the_file(tmp_path: Path):
    """An error that does not say which file it is about is a problem."""

    def refuse(_: Path) -> None:
        raise UsageError("not valid")

    with pytest.raises(AssertionError, match="does not name"):
        in_file("a.toml", refuse)(b"", tmp_path)
    with pytest.raises(Refused, match=r"a\.toml"):
        in_file("a.toml", read_toml)(b"= 1", tmp_path)


def test_examples_depend_on_the_seed_only():
    """The same seed gives the same damage, and leaves the valid document as it was."""
    document = {"a": [1, {"b": "c"}], "d": None}
    texts = [[json.dumps(change(document, Random(seed))) for seed in range(50)] for _ in range(2)]
    assert texts[0] == texts[1]
    assert len(set(texts[0])) > 25
    assert document == {"a": [1, {"b": "c"}], "d": None}
    assert damage(b"abc\n1", Random(3)) == damage(b"abc\n1", Random(3))
