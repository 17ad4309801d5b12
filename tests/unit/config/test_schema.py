"""Schema, reference and example files follow the model."""

import json
from functools import lru_cache
from pathlib import Path
from typing import Any, cast

import pytest
from jsonschema import Draft202012Validator

from bridge.config.jsonc import parse
from bridge.config.load import load_config
from bridge.config.schema import (
    REFERENCE_FILE,
    SCHEMA_FILE,
    inside,
    main,
    schema,
    schema_text,
    sections,
    with_reference,
)
from bridge.config.spelling import fields_of

ROOT = Path(__file__).parents[3]
GUIDE = Path(__file__).parent / "guide"
WHOLE = ["basic", "enterprise", "manual-issuer", "several", "streaming"]
SECRETS = {"SEARCH_TOKEN": "t", "KEY_TOKEN": "k", "IDP_KEY": "p"}
PROVIDER = {"OAUTH_ISSUER": "https://idp.example.com", "OAUTH_AUDIENCE": "bridge"}


@lru_cache(maxsize=1)
def validator() -> Any:
    return Draft202012Validator(schema())


def test_the_schema_is_one() -> None:
    Draft202012Validator.check_schema(schema())


def test_the_committed_schema_is_the_models() -> None:
    committed = (ROOT / SCHEMA_FILE).read_text()
    assert committed == schema_text(), "run python -m bridge.config.schema"


def test_the_committed_reference_is_the_models() -> None:
    page = (ROOT / REFERENCE_FILE).read_text()
    assert page == with_reference(page), "run python -m bridge.config.schema"


def test_both_are_rewritten_by_one_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = (ROOT / REFERENCE_FILE).read_text()
    (tmp_path / "configs").mkdir()
    (tmp_path / "docs").mkdir()
    before, _, _ = page.partition("\n\n###")
    (tmp_path / REFERENCE_FILE).write_text(f"{before}\n<!-- generated: end -->\n")
    monkeypatch.chdir(tmp_path)
    main()
    assert (tmp_path / REFERENCE_FILE).read_text() == page
    assert (tmp_path / SCHEMA_FILE).read_text() == schema_text()


def test_every_field_has_a_description_and_one_meaning_for_each_spelling() -> None:
    for kind in sections():
        spellings = [text for field in fields_of(kind) for text in field.spellings]
        assert len(spellings) == len(set(spellings)), kind
        assert all(field.description.endswith((".", ")")) for field in fields_of(kind))


@pytest.mark.parametrize("name", ["minimal", "example", "production"])
def test_an_example_file_is_valid_and_loads_without_a_word(name: str) -> None:
    text = (ROOT / "configs" / f"{name}.json").read_bytes()
    assert not list(validator().iter_errors(parse(text).value))
    loaded = load_config(
        text,
        source=name,
        environment=SECRETS if name != "production" else {**SECRETS, **PROVIDER},
    )
    assert [str(problem) for problem in loaded.problems] == []


# The same two limits again, in one section.
ALIASES = {"SecurityConfig"}


def test_the_example_shows_every_option_that_is_not_only_planned() -> None:
    value: Any = parse((ROOT / "configs/example.json").read_bytes()).value
    shown: dict[str, set[str]] = {}
    for server in value["mcpServers"].values():
        _collect("UpstreamConfig", server, shown)
    _collect("BridgeConfig", value["bridge"], shown)
    for kind in sections():
        wanted = {f.key for f in fields_of(kind) if not f.reading.planned}
        if kind.__name__ not in ALIASES:
            assert wanted - {"security"} <= shown[kind.__name__], kind


def _collect(name: str, value: dict[str, Any], shown: dict[str, set[str]]) -> None:
    shown.setdefault(name, set()).update(value)
    kinds = {kind.__name__: kind for kind in sections()}
    for field in fields_of(kinds[name]):
        inner = getattr(getattr(inside(field.kind), "cls", None), "__name__", None)
        if inner in kinds and field.key in value:
            for section in _several(value[field.key]):
                _collect(inner, section, shown)


def _several(sections: Any) -> list[Any]:
    return cast("list[Any]", sections) if isinstance(sections, list) else [sections]


def test_the_environment_file_names_what_the_production_example_reads() -> None:
    text = (ROOT / "configs/bridge.env.example").read_text()
    lines = [line for line in text.splitlines() if "=" in line and line[:1] != "#"]
    environment = dict(line.split("=", 1) for line in lines)
    config = (ROOT / "configs/production.json").read_bytes()
    assert set(environment) == {*PROVIDER, "SEARCH_TOKEN"}
    values = {name: value.strip('"') for name, value in environment.items()}
    values["OAUTH_ISSUER"] = "https://idp.example.com"
    assert not load_config(config, source="p", environment=values).problems


@pytest.mark.parametrize("name", WHOLE)
def test_the_examples_of_the_guide_fit_the_schema(name: str) -> None:
    value = parse((GUIDE / f"{name}.json").read_bytes()).value
    assert not list(validator().iter_errors(value))


@pytest.mark.parametrize(
    "wrong",
    [
        {},
        {"mcpServers": {"a": {"tmeout": 1}}},
        {"mcpServers": {"a": {"timeout": "soon"}}},
        {"mcpServers": {"a": {"transport": "carrier pigeon"}}},
        {"mcpServers": {}, "bridge": {"port": 70000}},
        {"mcpServers": {}, "bridge": {"limits": {"sessions": 0}}},
    ],
)
def test_the_schema_refuses_what_the_loader_speaks_of(wrong: object) -> None:
    assert list(validator().iter_errors(wrong))


@pytest.mark.parametrize(
    "right",
    [
        {"mcpServers": {"a": {"type": "http", "retry_delay": "${R:5}"}}},
        {"mcpServers": {"a": {"toolNamespace": None, "verify_ssl": "${V}"}}},
        {"mcpServers": {"a": {"oauth_config": {"scopes": "a b"}, "_comment": 1}}},
        {"mcpServers": {}, "bridge": {"auth": {"audience": "a", "jwksUrl": "u"}}},
    ],
)
def test_the_schema_takes_the_other_spellings(right: object) -> None:
    assert json.dumps(right)
    assert not list(validator().iter_errors(right))
