import pytest

from bridge.assembly import http_probe
from bridge.config.model import UpstreamConfig
from bridge.http import HttpClients
from kit.network import SimulatedNetwork


@pytest.mark.requirement("R135")
@pytest.mark.parametrize(
    ("config", "probed"),
    [
        (UpstreamConfig(name="u", command="x"), False),
        (UpstreamConfig(name="u", url="wss://h/", transport="websocket"), False),
        (UpstreamConfig(name="u", url="https://h/"), True),
    ],
)
def test_only_what_speaks_http_is_probed_over_it(
    config: UpstreamConfig,
    probed: bool,  # noqa: FBT001 - a column of the table
) -> None:
    fetch = http_probe(config, http=HttpClients(SimulatedNetwork()), headers=dict)
    assert (fetch is not None) == probed
