"""Proof Key for Code Exchange: what is sent, and whom it is sent to."""

import pytest

from bridge.errors import PkceUnsupported
from bridge.oauth.pkce import check_pkce, s256, verifier
from kit.oauth_client import provider, settings, tokens_of_chance


@pytest.mark.requirement("R82", "D3")
def test_the_challenge_is_that_of_the_standard() -> None:
    # RFC 7636 appendix B.
    challenge = s256("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk")
    assert challenge == "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"


@pytest.mark.requirement("R82")
def test_a_verifier_carries_256_bits_and_is_never_the_same() -> None:
    asked: list[int] = []
    chance = tokens_of_chance()

    def new_token(octets: int) -> str:
        asked.append(octets)
        return chance(octets)

    assert verifier(new_token) != verifier(new_token)
    assert asked == [32, 32]
    assert 43 <= len(verifier(new_token)) <= 128


def test_a_server_that_lists_s256_is_used() -> None:
    offering = provider(code_challenge_methods_supported=("plain", "S256"))
    assert check_pkce(offering, settings())


@pytest.mark.requirement("R82", "D3")
def test_metadata_without_the_list_needs_the_setting() -> None:
    silent = provider(code_challenge_methods_supported=None)
    with pytest.raises(PkceUnsupported) as refused:
        check_pkce(silent, settings())
    assert "allow_unadvertised_pkce of server 'wiki'" in refused.value.advice
    assert check_pkce(silent, settings(allow_unadvertised_pkce=True)) is False


@pytest.mark.parametrize("source", ["defaults", "configured"])
def test_a_server_without_metadata_has_no_place_to_list_it(source: str) -> None:
    bare = provider(code_challenge_methods_supported=None, source=source)
    assert check_pkce(bare, settings()) is False


@pytest.mark.requirement("D3")
@pytest.mark.parametrize("methods", [(), ("plain",), ("s256",)])
def test_a_server_that_says_no_is_refused_whatever_the_setting(
    methods: tuple[str, ...],
) -> None:
    refusing = provider(code_challenge_methods_supported=methods)
    with pytest.raises(PkceUnsupported, match="does not support PKCE"):
        check_pkce(refusing, settings(allow_unadvertised_pkce=True))
