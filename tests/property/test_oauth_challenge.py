"""The challenge reader takes whatever a server may send."""

import string

from hypothesis import given
from hypothesis import strategies as st

from bridge.oauth.challenge import Challenge, bearer, parse

TOKEN = st.text(string.ascii_letters + string.digits + "!#$%&'*+.^_`|~-", min_size=1)
NAMES = TOKEN.map(str.lower)
VALUES = st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E))
CHALLENGES = st.builds(
    Challenge,
    scheme=TOKEN,
    parameters=st.dictionaries(NAMES, VALUES, min_size=1, max_size=5),
)
#: Text made of what the grammar is made of, which finds more than any text does.
GRAMMAR = st.lists(
    st.sampled_from(["Bearer", "a", "=", '"', "\\", ",", " ", "\t", "==", "b"])
).map("".join)


def write(challenge: Challenge) -> str:
    parameters = (
        '{}="{}"'.format(name, value.replace("\\", "\\\\").replace('"', '\\"'))
        for name, value in challenge.parameters.items()
    )
    return f"{challenge.scheme} {', '.join(parameters)}"


@given(st.lists(CHALLENGES, max_size=4))
def test_what_is_written_is_read(challenges: list[Challenge]) -> None:
    header = ", ".join(map(write, challenges))
    assert len(header) > 8192 or parse(header) == tuple(challenges)


@given(st.text() | GRAMMAR | st.binary().map(lambda b: b.decode("latin-1")))
def test_any_text_is_read_into_bounded_printable_words(header: str) -> None:
    said = bearer(header)
    for text in (said.resource_metadata, said.scope, said.error):
        assert text.isprintable()
        assert len(text) <= len(header)
    for challenge in parse(header):
        assert challenge.scheme in header
