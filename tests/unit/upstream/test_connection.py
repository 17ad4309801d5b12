"""Requests of the actor itself, on one connection."""

from random import Random

from bridge.errors import LinkError
from bridge.protocol.dialogue import Ask, Told
from bridge.upstream.alarms import Alarms
from bridge.upstream.connection import Connection
from kit.upstream import FakeLink, ScriptedServer


async def test_a_late_request_that_ends_the_epoch_takes_the_other_late_ones_along() -> (
    None
):
    link = FakeLink(ScriptedServer())
    connection = Connection(link, epoch=1, rng=Random(1), alarms=Alarms())
    told: list[Told | LinkError] = []

    def lost(outcome: Told | LinkError) -> None:
        told.append(outcome)
        connection.close()

    for _ in range(2):
        connection.ask(Ask("ping", None), due=5.0, done=lost)
    connection.sweep(6.0)
    assert len(told) == 1
