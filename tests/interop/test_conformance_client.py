"""The bridge as a client, judged by the official runner: scenario servers behind it.

Each scenario is a real bridge between an SDK client and the server of the scenario (see
`conformance_client`). The revision requires eighteen; the others are the older
revision's, the extension for machines, and what the next revision adds, which runs on
this revision's wire.
"""

from pathlib import Path

import pytest

from interop.conformance import (
    REVISION,
    required_client_scenarios,
    run_client_scenario,
)

pytestmark = [pytest.mark.interop, pytest.mark.external, pytest.mark.timeout(240)]

REQUIRED = (
    "initialize",
    "tools_call",
    "elicitation-sep1034-client-defaults",
    "sse-retry",
    "auth/metadata-default",
    "auth/metadata-var1",
    "auth/metadata-var2",
    "auth/metadata-var3",
    "auth/basic-cimd",
    "auth/scope-from-www-authenticate",
    "auth/scope-from-scopes-supported",
    "auth/scope-omitted-when-undefined",
    "auth/scope-step-up",
    "auth/scope-retry-limit",
    "auth/token-endpoint-auth-basic",
    "auth/token-endpoint-auth-post",
    "auth/token-endpoint-auth-none",
    "auth/pre-registration",
)
UNSCORED = (
    "auth/2025-03-26-oauth-metadata-backcompat",
    "auth/2025-03-26-oauth-endpoint-fallback",
    "auth/client-credentials-jwt",
    "auth/client-credentials-basic",
    "json-schema-2020-12-preservation",
)
OF_THE_NEXT_REVISION = (
    "auth/resource-mismatch",
    "auth/offline-access-scope",
    "auth/offline-access-not-supported",
    "auth/authorization-server-migration",
    "auth/iss-supported",
    "auth/iss-not-advertised",
    "auth/iss-supported-missing",
    "auth/iss-wrong-issuer",
    "auth/iss-unexpected",
    "auth/iss-normalized",
    "auth/metadata-issuer-mismatch",
)


async def _assert_passes(scenario: str, folder: Path, *options: str) -> None:
    outcome, said = await run_client_scenario(scenario, folder, *options)
    print(f"{scenario}: {outcome.passed} passed, {outcome.failed} failed")
    assert outcome.is_pass, said


async def test_these_are_the_client_scenarios_the_revision_requires(
    tmp_path: Path,
) -> None:
    assert await required_client_scenarios(tmp_path) == [*REQUIRED]


@pytest.mark.parametrize("scenario", REQUIRED)
async def test_the_bridge_is_a_conforming_client(scenario: str, tmp_path: Path) -> None:
    await _assert_passes(scenario, tmp_path, "--spec-version", REVISION)


@pytest.mark.parametrize("scenario", UNSCORED)
async def test_the_bridge_conforms_where_the_revision_does_not_ask(
    scenario: str, tmp_path: Path
) -> None:
    await _assert_passes(scenario, tmp_path)


@pytest.mark.parametrize("scenario", OF_THE_NEXT_REVISION)
async def test_the_bridge_conforms_where_the_next_revision_will_ask(
    scenario: str, tmp_path: Path
) -> None:
    options = ["--spec-version", REVISION, "--force"]
    await _assert_passes(scenario, tmp_path, *options)
