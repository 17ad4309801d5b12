"""The log of a command, in the command's own style."""

import os
from io import BufferedReader

import pytest

from bridge.cli.remarks import command_log, remark
from bridge.config.model import Config
from bridge.config.server import OAuthConfig, UpstreamConfig
from bridge.observe import catalogue as events

SECRET = "a-client-secret-of-the-file"
CONFIG = Config(
    upstreams=(
        UpstreamConfig(
            name="a",
            url="https://h.example/mcp",
            oauth=OAuthConfig(enabled=True, client_id="c", client_secret=SECRET),
        ),
    )
)


class Clock:
    def now(self) -> float:
        return 0.0


def test_a_warning_is_a_sentence_with_its_fields() -> None:
    entry: dict[str, object] = {
        "time": "t",
        "level": "warning",
        "event": "oauth.store_trouble",
        "file": "x.json",
        "reason": "no space\x1b[31m",
        "moved_to": "",
    }
    said = "trouble with the token store (file: x.json, reason: no space\\x1b[31m)"
    assert remark(entry) == said
    assert remark({"event": "x.y", "message": "It is so."}) == "It is so."


@pytest.mark.requirement("R103")
def test_what_the_command_shows_itself_is_not_said_twice(
    capsys: pytest.CaptureFixture[str],
) -> None:
    log = command_log(CONFIG, clock=Clock(), debug=False)
    log.emit(events.OAUTH_LOGIN_REQUIRED, login_url="https://id.example", reason="x")
    log.emit(events.OAUTH_DISCOVERY_FAILED, tried=[])
    log.emit(events.OAUTH_TOKENS_SAVED, url_hash="0")
    assert capsys.readouterr().err == ""
    log.emit(events.OAUTH_PKCE_UNADVERTISED, issuer=f"https://{SECRET}.example")
    said = capsys.readouterr().err
    assert said.startswith(
        "bridge: the provider does not say it supports PKCE (issuer: "
    )
    assert SECRET not in said


def test_with_debug_every_line_is_shown() -> None:
    ours, theirs = os.pipe()
    log = command_log(CONFIG, clock=Clock(), debug=True, descriptor=theirs)
    log.emit(events.OAUTH_LOGIN_REQUIRED, login_url="https://id.example", reason="x")
    log.emit(events.OAUTH_TOKENS_SAVED, url_hash="0")
    os.close(theirs)
    with BufferedReader(os.fdopen(ours, "rb", buffering=0)) as opened:
        lines = opened.read().decode().splitlines()
    assert [line.split()[2] for line in lines] == [
        "oauth.login_required",
        "oauth.tokens_saved",
    ]
