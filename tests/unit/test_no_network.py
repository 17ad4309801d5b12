"""The suite itself: outside interop no test reaches for the network (R160)."""

import socket

import pytest


@pytest.mark.requirement("R160")
def test_a_connection_is_refused_before_it_is_tried() -> None:
    with (
        socket.socket() as client,
        pytest.raises(AssertionError, match="asked for the network"),
    ):
        client.connect(("127.0.0.1", 9))


@pytest.mark.requirement("R160")
def test_listening_is_refused_too() -> None:
    with (
        socket.socket() as listener,
        pytest.raises(AssertionError, match="asked for the network"),
    ):
        listener.bind(("127.0.0.1", 0))
