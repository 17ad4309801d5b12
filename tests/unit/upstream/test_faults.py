"""What a call is told when it gets no answer."""

import pytest

from bridge.contract.catalog import Catalog, Entry
from bridge.errors import (
    AnswerUnreadable,
    BridgeError,
    CallTimeout,
    ConnectFailed,
    Forbidden,
    LinkBusy,
    LinkError,
    LinkTimeout,
    LoginNeeded,
    Overloaded,
    RequestRefused,
    RevisionUnsupported,
    SessionLost,
    Unauthorized,
    UpstreamLost,
    UpstreamUnavailable,
)
from bridge.protocol.frame import raw
from bridge.upstream import state
from bridge.upstream.announcer import server_label
from bridge.upstream.changes import Change, difference, digest
from bridge.upstream.faults import lost, outcome_of
from bridge.upstream.lifecycle import event_of


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (Unauthorized("401"), LoginNeeded),
        (Forbidden("403"), UpstreamUnavailable),
        (ConnectFailed("refused"), UpstreamUnavailable),
        (SessionLost("404"), UpstreamUnavailable),
        (LinkTimeout("late"), CallTimeout),
        (LinkBusy("full"), Overloaded),
        (RequestRefused("429", status=429), Overloaded),
        (RequestRefused("400", status=400), UpstreamUnavailable),
        (RequestRefused("503", status=503, retry_after=3.0), UpstreamUnavailable),
        (RequestRefused("500", status=500), UpstreamLost),
        (LinkError("odd"), UpstreamLost),
        (AnswerUnreadable("not JSON"), UpstreamLost),
    ],
)
def test_each_failure_tells_its_caller_what_to_do(
    error: LinkError, kind: type[BridgeError]
) -> None:
    outcome = outcome_of(error, name="files", written=True)
    assert type(outcome) is kind
    assert "files" in outcome.public


def test_what_was_not_written_did_not_run() -> None:
    outcome = outcome_of(LinkError("odd"), name="files", written=False)
    assert isinstance(outcome, UpstreamUnavailable)
    assert "did not run" in lost("files", "gone", written=False).public
    assert "may or may not" in lost("files", "gone", written=True).public


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (
            RequestRefused("status 500", status=500),
            "files failed (status 500); the request may or may not have run",
        ),
        (
            RequestRefused("busy", status=503),
            "files did not take the call: busy; the request may or may not have run",
        ),
        (
            RequestRefused("status 503", status=503, retry_after=3.0),
            "files did not take the call: status 503; the request did not run",
        ),
    ],
)
def test_what_is_known_of_a_refused_call_is_said(error: LinkError, said: str) -> None:
    assert outcome_of(error, name="files", written=True).public == said


def test_the_servers_wish_to_wait_is_passed_on() -> None:
    error = RequestRefused("503", status=503, retry_after=3.0)
    outcome = outcome_of(error, name="files", written=True)
    assert isinstance(outcome, UpstreamUnavailable)
    assert outcome.retry_after == 3.0


@pytest.mark.parametrize(
    ("error", "event"),
    [
        (Unauthorized("x", challenge="Bearer"), state.Unauthorized("Bearer")),
        (RevisionUnsupported("x"), state.NoCommonRevision("x")),
        (SessionLost("x"), state.SessionEnded("x")),
        (ConnectFailed("x", retry_after=3.0), state.LinkFailed("x", 3.0)),
        (RequestRefused("x", status=503, retry_after=3), state.LinkFailed("x", 3)),
        (LinkTimeout("x"), state.LinkFailed("x")),
    ],
)
def test_each_failure_of_a_connection_is_an_event(
    error: BridgeError, event: state.Event
) -> None:
    assert event_of(error) == event


def entry(key: str, **members: object) -> Entry:
    return Entry(key=key, members={name: raw(value) for name, value in members.items()})


@pytest.mark.requirement("C35")
def test_the_difference_of_two_catalogs_names_what_was_redefined() -> None:
    old = Catalog(tools=(entry("a", d="x"), entry("b")), prompts=(entry("a"),))
    new = Catalog(tools=(entry("a", d="y"), entry("c")), prompts=(entry("a"),))
    found = difference(old, new)
    assert (found.added, found.removed) == (1, 1)
    assert found.changes == (
        Change(
            kind="tools",
            key="a",
            old_hash=digest(entry("a", d="x")),
            new_hash=digest(entry("a", d="y")),
        ),
    )


@pytest.mark.parametrize(
    ("info", "label"),
    [
        ({"name": "s", "version": "1"}, "s 1"),
        ({}, ""),
        ({"name": 7}, ""),
        ({"name": "x" * 500}, "x" * 100),
    ],
)
def test_a_server_is_labelled_shortly(info: object, label: str) -> None:
    assert server_label(Catalog(server_info=raw(info))) == label
