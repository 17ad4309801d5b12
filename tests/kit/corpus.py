"""Public data that breaks readers: malformed JSON, and strings nobody expects."""

import json
from functools import cache
from pathlib import Path
from typing import Any

_DATA = Path(__file__).parent / "data"


def _read(name: str) -> dict[str, Any]:
    return json.loads((_DATA / name).read_text("utf-8"))


@cache
def json_suite() -> dict[str, bytes]:
    """JSONTestSuite by name: y is valid, n is not, of i nobody knows."""
    read = _read("json_suite.json")
    cases = {name: text.encode("latin-1") for name, text in read["cases"].items()}
    for name, made in read["repeated"].items():
        cases[name] = (made["of"] * made["times"] + made["end"]).encode()
    return cases


@cache
def naughty_strings() -> tuple[str, ...]:
    """The Big List of Naughty Strings."""
    return tuple(_read("naughty.json")["strings"])
