"""Walks of the doctor, at a provider and a server that forgive nothing."""

import json
import sys
from collections.abc import Callable
from typing import Any

import pytest
import trio
from trio.testing import MockClock

from bridge.cli.doctor.finding import Outcome, Report, as_json, as_lines
from bridge.cli.doctor.walk import chosen, walk_all
from bridge.cli.workshop import Workshop
from bridge.config.server import OAuthConfig, UpstreamConfig
from kit.command_room import workshop
from kit.issuer import OMIT
from kit.login_room import LoginRoom, login_room
from kit.provider_rules import Rules

STEPS = [
    "server answers",
    "protected resource metadata",
    "issuer",
    "server metadata",
    "PKCE",
    "client identity",
    "stored token",
    "token accepted",
    "connection",
    "initialize",
    "tools",
]


async def walk(shop: Workshop, *, register: bool = False) -> Report:
    [report] = await walk_all(shop.config.upstreams, shop, register=register)
    return report


async def logged_in(room: LoginRoom) -> None:
    await workshop(room).logins().log_in("example", force=True, show=lambda _: None)


def marks(report: Report) -> dict[str, str]:
    return {each.step: each.outcome.label for each in report.findings}


def failing(report: Report) -> list[str]:
    return [e.step for e in report.findings if e.outcome is Outcome.FAILED]


@pytest.mark.parametrize("transport", ["streamablehttp", "sse"])
async def test_a_logged_in_server_gets_a_tick_at_every_step(
    autojump_clock: MockClock, transport: str
) -> None:
    async with login_room(transport=transport) as room:
        await logged_in(room)
        before = dict(room.files.disk.files)
        report = await walk(workshop(room))
    assert [each.step for each in report.findings] == STEPS
    assert report.well, list(as_lines(report, signs=False))
    assert report.findings[-1].said == "1 listed"
    assert room.files.disk.files == before
    assert room.provider.counts.refreshes == 0
    assert room.provider.counts.logins == 1


async def test_before_the_first_login_it_says_which_command_to_run(
    autojump_clock: MockClock,
) -> None:
    async with login_room() as room:
        report = await walk(workshop(room))
    assert failing(report) == ["stored token"]
    [token] = [each for each in report.findings if each.step == "stored token"]
    assert token.advice == "run `bridge oauth login example`"
    assert list(marks(report).values())[7:] == ["skipped"] * 4
    assert room.provider.counts.registrations == 0
    assert room.browser.opened == []


async def test_a_client_is_registered_only_when_told_and_only_once(
    autojump_clock: MockClock,
) -> None:
    async with login_room() as room:
        for _ in range(2):
            report = await walk(workshop(room), register=True)
            assert marks(report)["client identity"] == "ok"
        assert room.provider.counts.registrations == 1
        await logged_in(room)
        assert room.provider.counts.registrations == 1


def no_pkce(room: LoginRoom) -> None:
    room.provider.metadata_changes["code_challenge_methods_supported"] = OMIT


def no_registration(room: LoginRoom) -> None:
    room.provider.metadata_changes["registration_endpoint"] = OMIT


def lying_issuer(room: LoginRoom) -> None:
    room.provider.metadata_changes["issuer"] = "http://127.0.0.1:9999"


def foreign_resource(room: LoginRoom) -> None:
    room.server.door.metadata_changes["resource"] = "https://else.example/mcp"


def no_metadata(room: LoginRoom) -> None:
    room.server.door.metadata_at = frozenset()
    room.server.door.challenge = "no_metadata"


@pytest.mark.requirement("R159")
@pytest.mark.parametrize(
    ("break_it", "places"),
    [
        (no_pkce, {"PKCE"}),
        (no_registration, {"client identity"}),
        (lying_issuer, {"issuer", "server metadata"}),
        (
            foreign_resource,
            {"issuer", "server metadata", "protected resource metadata"},
        ),
    ],
)
async def test_what_a_login_would_fail_at_is_explained_at_its_step(
    autojump_clock: MockClock, break_it: Callable[[LoginRoom], None], places: set[str]
) -> None:
    async with login_room() as room:
        break_it(room)
        report = await walk(workshop(room))
    first = next(e for e in report.findings if e.outcome is Outcome.FAILED)
    assert first.step in places
    assert first.said
    assert first.rule
    assert first.advice
    assert "stored token" in failing(report)


async def test_a_server_that_publishes_nothing_is_not_taken_for_well(
    autojump_clock: MockClock,
) -> None:
    async with login_room() as room:
        no_metadata(room)
        report = await walk(workshop(room))
        assert marks(report)["client identity"] == "skipped"
        tried = await walk(workshop(room), register=True)
        assert failing(tried) == ["client identity", "stored token"]


@pytest.mark.requirement("R159", "R73")
async def test_where_the_configured_issuer_says_nothing_either_all_is_listed(
    autojump_clock: MockClock,
) -> None:
    oauth = OAuthConfig(enabled=True, issuer="http://127.0.0.1:9400/other")
    async with login_room() as room:
        no_metadata(room)
        report = await walk(workshop(room, oauth=oauth))
    [said] = [e for e in report.findings if e.step == "server metadata"]
    assert said.outcome is Outcome.FAILED
    assert "/.well-known/openid_configuration (404)" in said.answered
    assert "oauth" in said.advice


@pytest.mark.requirement("R74")
async def test_another_issuer_than_the_pinned_one_is_refused_at_that_step(
    autojump_clock: MockClock,
) -> None:
    oauth = OAuthConfig(enabled=True, issuer="http://127.0.0.1:9401")
    async with login_room() as room:
        report = await walk(workshop(room, oauth=oauth))
    assert failing(report)[0] == "issuer"


async def test_a_token_the_server_no_longer_takes_ends_the_walk_there(
    autojump_clock: MockClock,
) -> None:
    async with login_room() as room:
        await logged_in(room)
        room.server.door.scopes = ("mcp:admin",)
        report = await walk(workshop(room))
        assert failing(report) == ["token accepted"]
        assert list(marks(report).values())[8:] == ["skipped"] * 3
        [said] = [e for e in report.findings if e.step == "token accepted"]
        assert said.answered.startswith("403")


async def test_an_expired_token_is_neither_sent_nor_refreshed(
    autojump_clock: MockClock,
) -> None:
    async with login_room(rules=Rules(access_lifetime=60)) as room:
        await logged_in(room)
        await trio.sleep(120)
        served = room.server.traffic.requests_of.total()
        report = await walk(workshop(room))
        assert failing(report) == ["stored token"]
        assert room.server.traffic.requests_of.total() == served
        assert room.provider.counts.refreshes == 0


async def test_a_server_that_is_down_fails_at_the_door_and_the_rest_is_skipped(
    autojump_clock: MockClock,
) -> None:
    async with login_room() as room:
        report = await walk(workshop(room, url="http://127.0.0.1:1/mcp"))
    assert [each.step for each in report.findings] == STEPS
    assert failing(report) == STEPS[:1]
    assert set(marks(report).values()) == {"failed", "skipped"}


async def test_a_server_that_says_nothing_is_given_up(
    autojump_clock: MockClock,
) -> None:
    async with login_room() as room:
        await room.network.listen("127.0.0.1", 2)
        report = await walk(workshop(room, url="http://127.0.0.1:2/mcp"))
    assert failing(report) == STEPS[:1]
    assert "no answer within" in report.findings[0].said


@pytest.mark.parametrize("enabled", [True, False])
async def test_a_server_without_a_login_is_met_as_it_is(
    autojump_clock: MockClock, *, enabled: bool
) -> None:
    async with login_room() as room:
        room.server.door.open_methods = frozenset(
            {"initialize", "notifications/initialized", "tools/list", "ping"}
            if enabled
            else set()
        )
        report = await walk(workshop(room, oauth=OAuthConfig()))
    if not enabled:
        assert failing(report) == ["server answers"]
        assert "oauth.enabled" in report.findings[0].advice
        return
    assert [each.step for each in report.findings] == [STEPS[0], *STEPS[8:]]


async def test_a_program_that_is_not_there_is_told_before_it_is_started(
    autojump_clock: MockClock,
) -> None:
    programs = {
        "none": UpstreamConfig(name="none", command="no-such-program-anywhere"),
        "folder": UpstreamConfig(
            name="folder", command=sys.executable, working_directory="/no/such/folder"
        ),
    }
    async with login_room() as room:
        shop = workshop(room, *programs.values())
        reports = await walk_all([*programs.values()], shop, register=False)
    for report in reports:
        assert marks(report) == {
            "command": "failed",
            "connection": "skipped",
            "initialize": "skipped",
            "tools": "skipped",
        }
    said = [report.findings[0].advice for report in reports]
    assert said == [
        "install it, or give `command` its whole path",
        "change `working_directory`",
    ]


@pytest.mark.requirement("R103")
async def test_no_report_holds_a_secret(autojump_clock: MockClock) -> None:
    async with login_room(rules=Rules(access_tokens="jwt")) as room:
        await logged_in(room)
        [stored] = [
            json.loads(data)
            for path, data in room.files.disk.files.items()
            if path.name.startswith("server-hash-")
        ]
        reports = [await walk(workshop(room))]
        room.server.door.scopes = ("mcp:admin",)
        reports.append(await walk(workshop(room)))
    shown = json.dumps(as_json(reports))
    shown += "\n".join(line for each in reports for line in as_lines(each, signs=True))
    for name in ("access_token", "refresh_token"):
        assert stored[name] not in shown


@pytest.mark.parametrize(
    ("wanted", "names"),
    [(None, ["a", "b"]), ("b", ["b"]), ("off", ["off"]), ("nobody", [])],
)
def test_one_server_is_chosen_by_name_and_all_are_the_enabled_ones(
    wanted: str | None, names: list[str]
) -> None:
    servers = [UpstreamConfig(name=n, command="x") for n in ("a", "b")]
    servers.append(UpstreamConfig(name="off", command="x", enabled=False))
    assert [each.name for each in chosen(servers, wanted)] == names


async def test_reports_come_in_the_order_of_the_configuration(
    autojump_clock: MockClock,
) -> None:
    async with login_room() as room:
        others: list[Any] = [
            UpstreamConfig(name=f"s{n}", command="no-such-program-anywhere")
            for n in range(8)
        ]
        shop = workshop(room, *others)
        reports = await walk_all(shop.config.upstreams, shop, register=False)
    assert [r.server for r in reports] == ["example", *(o.name for o in others)]
