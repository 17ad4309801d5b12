"""A reply has one outcome, and nothing after it."""

from hypothesis import given
from hypothesis import strategies as st

from bridge.actor.reply import Reply


class Sink:
    """Keeps what it is told; ``eager`` resolves again from inside `finish`."""

    def __init__(self) -> None:
        self.heard: list[tuple[str, int]] = []
        self.eager: Reply[int, int] | None = None

    def tell(self, event: int) -> None:
        self.heard.append(("news", event))

    def finish(self, outcome: int) -> None:
        self.heard.append(("outcome", outcome))
        if self.eager is not None:
            assert not self.eager.resolve(outcome + 1)
            self.eager.tell(outcome + 2)


@given(
    steps=st.lists(st.sampled_from(["tell", "resolve", "abandon"]), max_size=20),
    eager=st.booleans(),
)
def test_exactly_one_outcome_and_no_news_after_it(
    steps: list[str], *, eager: bool
) -> None:
    sink = Sink()
    reply = Reply(sink)
    sink.eager = reply if eager else None
    expected: list[tuple[str, int]] = []
    is_open = True
    for number, step in enumerate(steps):
        assert reply.open is is_open
        if step == "tell":
            reply.tell(number)
            expected += [("news", number)] * is_open
        elif step == "resolve":
            assert reply.resolve(number) is is_open
            expected += [("outcome", number)] * is_open
            is_open = False
        else:
            reply.abandon()
            is_open = False
    assert sink.heard == expected
