"""Fixtures of the interop tests: the processes that live for a whole session."""

import resource
from collections.abc import Iterator

import pytest

from interop.rig.identity import IdentityProvider, running_identity_provider
from interop.rig.servers import Entry, running_everything_server, running_sdk_server


@pytest.fixture(scope="session")
def identity_provider(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[IdentityProvider]:
    """A real OpenID provider on loopback."""
    with running_identity_provider(tmp_path_factory.mktemp("idp")) as provider:
        yield provider


@pytest.fixture(scope="session")
def everything_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of the SDK's everything server."""
    with running_everything_server(tmp_path_factory.mktemp("everything")) as url:
        yield url


@pytest.fixture(scope="session")
def sse_upstream(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Entry]:
    """An upstream entry for an SDK server on HTTP+SSE."""
    with running_sdk_server(tmp_path_factory.mktemp("sse"), "sse") as entry:
        yield entry


@pytest.fixture(scope="session")
def http_upstream(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Entry]:
    """An upstream entry for an SDK server on streamable HTTP."""
    folder = tmp_path_factory.mktemp("http")
    with running_sdk_server(folder, "streamable-http") as entry:
        yield entry


@pytest.fixture
def many_files() -> Iterator[None]:
    """This process is a thousand clients."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
