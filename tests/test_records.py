import os

import pytest

from data.io.records import Record

KEY = {"sources": ["a", "b"], "size": None}
KINDS = {"scores": dict[str, float]}


def test_what_was_written_is_read_while_the_key_fits(tmp_path):
    record = Record(tmp_path / "records" / "x.json", KEY)
    assert record.read(KINDS) is None
    content = record.write({"scores": {"q": 1.5}})
    assert content == {**KEY, "scores": {"q": 1.5}} == record.read(KINDS)
    assert Record(record.path, KEY | {"sources": ["a", "c"]}).read(KINDS) is None
    assert Record(record.path, KEY | {"method": "other"}).read(KINDS) is None
    assert Record(record.path).read({}) == content
    record.write({"scores": {}})
    assert record.read(KINDS) == {**KEY, "scores": {}}


@pytest.mark.parametrize("text", ["", "[]", "null", '{"scores": []}', '{"scores": {"q": NaN}}', "{" * 100_000, "\xff"])
def test_what_is_no_record_does_not_fit(tmp_path, text):
    (tmp_path / "x.json").write_text(text, encoding="latin-1")
    assert Record(tmp_path / "x.json").read(KINDS) is None


@pytest.mark.skipif(os.name != "posix", reason="needs a named pipe")
def test_a_pipe_is_no_record_and_is_replaced(tmp_path):
    os.mkfifo(tmp_path / "x.json")
    record = Record(tmp_path / "x.json", KEY)
    assert record.read({}) is None
    record.write({"scores": {}})
    assert record.read(KINDS) == {**KEY, "scores": {}}
