"""A planted secret survives in no line, wherever and however deep it is planted."""

import json
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.observe import catalogue as events
from bridge.observe.logging import build_log
from bridge.observe.redact import Redactor

CANARY = "kanarie-9f2b7c"
JWT = "eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJrYW5hcmllIn0.a2FuYXJpZS05ZjJiN2M"

texts = st.text(max_size=40)
scalars = st.one_of(
    texts, st.none(), st.booleans(), st.integers(), st.floats(), st.binary(max_size=20)
)
values = st.recursive(
    scalars,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.tuples(inner, inner),
        st.dictionaries(st.one_of(texts, st.integers()), inner, max_size=4),
    ),
    max_leaves=12,
)
forms = st.sampled_from(["json", "console"])


class StoppedClock:
    def now(self) -> float:
        return 0.0


def line_of(
    value: object, *, form: Literal["json", "console"], redactor: Redactor
) -> bytes:
    lines: list[bytes] = []
    log = build_log(
        level="debug",
        format=form,
        write=lines.append,
        clock=StoppedClock(),
        redactor=redactor,
    )
    log.emit(events.BRIDGE_STOPPED, reason=value)
    (line,) = lines
    return line


@st.composite
def planted(draw: st.DrawFn, secret: str) -> object:
    """A value that holds ``secret`` somewhere: whole, inside text, as key or error."""
    text = draw(texts.filter(str.isascii)) + secret + draw(texts.filter(str.isascii))
    value: Any = draw(st.sampled_from([secret, text, text.encode(), ValueError(text)]))
    for _ in range(draw(st.integers(0, 8))):
        wrap = draw(st.integers(0, 3))
        key = draw(texts)
        value = [[value], (draw(scalars), value), {key: value}, {text: value}][wrap]
    return value


@pytest.mark.requirement("D15", "R103", "R147")
@given(value=planted(CANARY), form=forms)
def test_a_learnt_value_never_survives(
    value: object, form: Literal["json", "console"]
) -> None:
    redactor = Redactor()
    redactor.learn(CANARY)
    assert CANARY.encode() not in line_of(value, form=form, redactor=redactor)


@pytest.mark.requirement("D15", "R103")
@given(
    before=st.sampled_from(["", " ", "=", ":", '"', "/", "\n", "Bearer "]), form=forms
)
def test_a_token_nobody_taught_is_known_by_its_shape(
    before: str, form: Literal["json", "console"]
) -> None:
    line = line_of(
        [f"a{before} {JWT} b", {f"x {JWT}": 1}], form=form, redactor=Redactor()
    )
    assert b"eyJ" not in line
    assert b"a2FuYXJpZS05ZjJiN2M" not in line


@pytest.mark.requirement("R152")
@given(value=values, form=forms)
def test_every_value_becomes_exactly_one_printable_line(
    value: object, form: Literal["json", "console"]
) -> None:
    line = line_of(value, form=form, redactor=Redactor())
    assert line.endswith(b"\n")
    assert line.count(b"\n") == 1
    text = line[:-1].decode()
    assert not [c for c in text if c < " " or "\x7f" <= c <= "\x9f"]
    if form == "json":
        assert json.loads(text)["event"] == "bridge.stopped"
