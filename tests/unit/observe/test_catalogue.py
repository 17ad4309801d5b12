"""The catalogue is well formed, and the program emits nothing outside it."""

import ast
from collections.abc import Iterator

import pytest

from bridge.observe import catalogue
from bridge.observe.catalogue import CONTEXT, all_events
from kit.imports import modules

RESERVED = {"time", "level", "event", "message", "exception", "exc_info"}
EVENTS = all_events()

SENTENCES = {
    "oauth.preflight_started": (
        "OAuth-enabled server detected. Running OAuth preflight check."
    ),
    "oauth.discovery_started": "Attempting OAuth discovery for URL: {url}",
    "oauth.discovery_tried": "Trying discovery endpoint: {url}",
    "oauth.issuer_discovered": "Successfully discovered OAuth issuer: {issuer}",
    "oauth.preflight_passed": "OAuth preflight check passed for server '{upstream}'",
    "oauth.login_started": (
        "OAuth flow initiated for server '{upstream}'. "
        "Please check your browser to complete authorization."
    ),
    "oauth.login_completed": (
        "OAuth flow completed successfully for server '{upstream}'"
    ),
    "oauth.tokens_loaded": (
        "OAuth tokens loaded successfully for server URL hash: {url_hash}"
    ),
    "oauth.preflight_failed": "OAuth preflight check failed for server '{upstream}'",
    "oauth.discovery_failed": "OAuth discovery failed for all endpoints:{tried}",
    "oauth.issuer_missing": (
        "No issuer configured and discovery failed for server '{upstream}'"
    ),
}
LEVELS = {
    "oauth.discovery_started": "debug",
    "oauth.discovery_tried": "debug",
    "oauth.preflight_failed": "error",
    "oauth.discovery_failed": "error",
    "oauth.issuer_missing": "error",
}


def emits() -> Iterator[tuple[str, ast.Call]]:
    """Every ``….emit(events.NAME, …)`` of the program, with where it stands."""
    for module, path in modules().items():
        for node in ast.walk(ast.parse(path.read_text())):
            match node:
                case ast.Call(func=ast.Attribute(attr="emit"), args=[_, *_]):
                    yield f"{module}:{node.lineno}", node
                case _:
                    pass


def faults(call: ast.Call) -> list[str]:
    """What is wrong with one emit, when its event is named in place."""
    if not isinstance(call.args[0], ast.Attribute):
        return []
    event = getattr(catalogue, call.args[0].attr, None)
    if not isinstance(event, catalogue.Event):
        return [f"no event {call.args[0].attr}"]
    given = {keyword.arg.removesuffix("_") for keyword in call.keywords if keyword.arg}
    unknown = given - {*event.fields, "exc_info"} - CONTEXT
    return [f"{event.name} has no field {name}" for name in sorted(unknown)]


@pytest.mark.requirement("R147")
def test_every_emit_of_the_program_is_in_the_catalogue() -> None:
    found = list(emits())
    assert len(found) > 20
    assert [(where, fault) for where, call in found for fault in faults(call)] == []


@pytest.mark.parametrize(
    ("source", "fault"),
    [
        ("log.emit(events.NO_SUCH, a=1)", "no event NO_SUCH"),
        (
            "log.emit(events.CALL_FINISHED, colour=1, outcome='ok', epoch=2)",
            "call.finished has no field colour",
        ),
    ],
)
def test_an_emit_outside_the_catalogue_is_found(source: str, fault: str) -> None:
    call = ast.parse(source, mode="eval").body
    assert isinstance(call, ast.Call)
    assert faults(call) == [fault]


def test_an_event_is_said_at_its_levels_and_no_other() -> None:
    changed = catalogue.UPSTREAM_STATE_CHANGED
    assert changed.at("info") == changed
    assert changed.at("warning").level == "warning"
    with pytest.raises(ValueError, match="never said at error"):
        changed.at("error")


def test_names_are_unique_and_match_their_constants() -> None:
    names = [event.name for event in EVENTS]
    assert len(set(names)) == len(names)
    for event in EVENTS:
        constant = event.name.replace(".", "_").upper()
        assert getattr(catalogue, constant) is event


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: event.name)
def test_an_event_is_well_formed(event: catalogue.Event) -> None:
    assert event.level in {"debug", "info", "warning", "error"}
    assert not RESERVED & set(event.fields)
    assert len(set(event.fields)) == len(event.fields)


@pytest.mark.parametrize("name", SENTENCES)
def test_promised_sentences_are_word_for_word_those_of_the_guide(name: str) -> None:
    event = next(event for event in EVENTS if event.name == name)
    assert event.message == SENTENCES[name]
    assert event.level == LEVELS.get(name, "info")
