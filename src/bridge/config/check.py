"""What types cannot say of the ``bridge`` section: addresses, ports, who comes in."""

import re
from ipaddress import ip_network

from bridge.config.address import WEB, Address, is_host, parse_address
from bridge.config.findings import Findings
from bridge.config.jsonc import Path
from bridge.config.model import AuthConfig, BridgeConfig
from bridge.config.spelling import suggestion
from bridge.loopback import is_loopback

# Asymmetric only (R41): with a shared secret whoever checks a token can also mint one.
ALGORITHMS = (
    *("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"),
    *("ES256", "ES384", "ES512", "EdDSA", "Ed25519"),
)

# What MCP clients accept in a tool's name.
NAME_CHARACTERS = re.compile(r"[A-Za-z0-9_.-]*")
_LONGEST_SEPARATOR = 8

_ISSUER: Path = ("bridge", "auth", "issuer")
_AUDIENCE: Path = ("bridge", "auth", "audience")
_HOST: Path = ("bridge", "host")


def check_bridge(bridge: BridgeConfig, findings: Findings) -> None:
    """Report all that is wrong with the section."""
    _check_listening(bridge, findings)
    _check_names(bridge, findings)
    _check_peers(bridge, findings)
    _check_commands(bridge, findings)
    if bridge.auth.mode == "none":
        _check_open(bridge, findings)
    else:
        _check_auth(bridge.auth, findings)


def _check_listening(bridge: BridgeConfig, findings: Findings) -> None:
    if not is_host(bridge.host):
        findings.error(_HOST, "neither a host name nor an IP address")
    for key, port, least in (
        ("port", bridge.port, 0),
        ("oauth_port", bridge.oauth_port, 1),
    ):
        if not least <= port <= 65535:  # noqa: PLR2004 - the largest port there is
            findings.error(
                ("bridge", key), f"out of range: it must be from {least} to 65535"
            )
    if bridge.port == bridge.oauth_port:
        findings.warning(
            ("bridge", "oauth_port"),
            f"the same as bridge.port (default: {BridgeConfig().oauth_port}); "
            "the log-in callback needs a port of its own",
            "set bridge.oauth_port when a server needs OAuth",
        )
    if bridge.public_url:
        _check_public_url(bridge.public_url, findings)


def _check_public_url(url: str, findings: Findings) -> None:
    path: Path = ("bridge", "publicUrl")
    address = parse_address(url, WEB)
    if isinstance(address, str):
        findings.error(path, address)
    elif address.query:
        findings.error(path, "the address has a query, which routes cannot have")


def _check_names(bridge: BridgeConfig, findings: Findings) -> None:
    separator = bridge.separator
    if not separator or not NAME_CHARACTERS.fullmatch(separator):
        findings.error(
            ("bridge", "separator"), "only letters, digits, '_', '-' and '.', not empty"
        )
    elif len(separator) > _LONGEST_SEPARATOR:
        findings.error(
            ("bridge", "separator"), f"longer than {_LONGEST_SEPARATOR} characters"
        )


def _check_peers(bridge: BridgeConfig, findings: Findings) -> None:
    for index, network in enumerate(bridge.trusted_proxies):
        if not _is_network(network):
            findings.error(
                ("bridge", "trustedProxies", index),
                "neither an IP address nor a network such as 10.0.0.0/8",
            )
    for index, origin in enumerate(bridge.allowed_origins):
        if not _is_origin(origin):
            findings.error(
                ("bridge", "allowedOrigins", index),
                "not an origin such as https://app.example.com",
                "name each origin; '*' would let every web page in",
            )
    for index, host in enumerate(bridge.allowed_hosts):
        if not is_host(_without_port(host)):
            findings.error(
                ("bridge", "allowedHosts", index), "not a host such as mcp.example.com"
            )


def _is_network(text: str) -> bool:
    try:
        ip_network(text, strict=False)
    except ValueError:
        return False
    return True


def _is_origin(text: str) -> bool:
    address = parse_address(text, WEB)
    return isinstance(address, Address) and text.count("/") == len("//")


def _without_port(host: str) -> str:
    return re.sub(r":[0-9]{1,5}\Z", "", host).removeprefix("[").removesuffix("]")


def _check_commands(bridge: BridgeConfig, findings: Findings) -> None:
    if bridge.allow_command_substitution and not bridge.allowed_commands:
        findings.warning(
            ("bridge", "allowed_commands"),
            "empty, so that every command is refused",
            "list the programs that $(command ...) may run",
        )


def _check_open(bridge: BridgeConfig, findings: Findings) -> None:
    if not is_loopback(bridge.host):
        findings.error(
            _HOST,
            "authentication is off, and this is not a loopback address",
            "listen on 127.0.0.1, or set OAUTH_ISSUER and OAUTH_AUDIENCE",
        )


def _check_auth(auth: AuthConfig, findings: Findings) -> None:
    if not auth.issuer and not auth.audience:
        findings.error(
            ("bridge", "auth"),
            "authentication is on, but no identity provider is set",
            "set OAUTH_ISSUER and OAUTH_AUDIENCE, or bridge.auth in the file; "
            "--no-auth switches it off, on a loopback address only",
        )
        return
    if not auth.issuer:
        findings.error(_ISSUER, "missing", "set OAUTH_ISSUER or bridge.auth.issuer")
    else:
        check_provider(auth.issuer, _ISSUER, findings)
    if not auth.audience or not all(auth.audience):
        findings.error(
            _AUDIENCE, "missing", "set OAUTH_AUDIENCE or bridge.auth.audience"
        )
    if auth.jwks_url:
        check_provider(auth.jwks_url, ("bridge", "auth", "jwks_url"), findings)
    _check_algorithms(auth, findings)


def _check_algorithms(auth: AuthConfig, findings: Findings) -> None:
    path: Path = ("bridge", "auth", "algorithms")
    if not auth.algorithms:
        findings.error(path, "empty, so that no token could ever pass")
    for index, algorithm in enumerate(auth.algorithms):
        if algorithm not in ALGORITHMS:
            findings.error(
                (*path, index),
                f"{findings.shown((*path, index), algorithm)} is not accepted; only "
                "asymmetric algorithms are",
                suggestion(algorithm, ALGORITHMS),
            )


def check_provider(url: str, path: Path, findings: Findings) -> None:
    """An address tokens depend on: https, or on this machine (R75)."""
    address = parse_address(url, WEB)
    if isinstance(address, str):
        findings.error(path, address)
    elif not address.private:
        findings.error(path, "must be https (only loopback addresses may be http)")
