"""Which addresses are asked, opened and named, and which are not."""

import pytest

from bridge.errors import AddressRefused
from bridge.oauth.address import (
    canonical_resource,
    check_endpoint,
    for_browser,
    http_url,
    origin_of,
    shown_address,
)

NO_ADDRESS = [
    "",
    "-x",
    "--help",
    "token",
    "/token",
    "//as.example/t",
    "https:",
    "https:/as.example/t",
    "https:///t",
    "javascript:alert(1)",
    "file:///c:/windows/system32/calc.exe",
    "data:text/html,<script>",
    "vscode://extension/run",
    "ms-word:ofe|u|https://as.example",
    "ftp://as.example/t",
    "\\\\server\\share",
    "//server/share",
    "https:\\\\as.example\\t",
    "https://as.example\\@evil.example/t",
    " https://as.example/t",
    "https://as.example/t ",
    "https://as.example/a b",
    "https://as.example/\n",
    "https://as.example/\r\nHost: x",
    "https://as.example/\t",
    "https://as.example/\x00",
    "https://as.example/\x7f",
    "https://as.example/\u202etxt.exe",
    "https://as.example/\u2028",
    "https://as.example/\u00a0",
    "https://as.example/é",
    "https://as.example/`id`",
    "https://as.example/a|b",
    'https://as.example/"a"',
    "https://as.example/<a>",
    "https://as.example/{a}",
    "https://as.example/^",
    "https://as.example/%",
    "https://as.example/%0",
    "https://as.example/%zz",
    "https://as.example/?q=|",
    "https://user@as.example/t",
    "https://user:secret@as.example/t",
    "https://@as.example/t",
    "https://as.example/t#fragment",
    "https://as.example/t#",
    "https://as.example:0/t",
    "https://as.example:65536/t",
    "https://as.example:-1/t",
    "https://as.example:+443/t",
    "https://as.example:4_43/t",
    "https://as.example:\u0664\u0664\u0663/t",
    "https://as.example:x/t",
    "https://as.example:443:443/t",
    "https://[::1/t",
    "https://[::g]/t",
    "https://[fe80::1%25eth0]/t",
    "https://.as.example/t",
    "https://as..example/t",
    "https://-as.example/t",
    "https://as-.example/t",
    "https://as$(id).example/t",
    "https://as;id.example/t",
    f"https://{'a' * 64}.example/t",
    f"https://{'a.' * 130}example/t",
    f"https://as.example/{'a' * 4096}",
    "https://127.1/t",
    "https://0x7f000001/t",
    "https://2130706433/t",
    "https://0177.0.0.01/t",
    "https://1.2.3.4.5/t",
    "https://256.1.1.1/t",
    "https://as.0x1/t",
    "https://fa\u00df.example/t",
    "https://a\u200db.example/t",
    "https://\u2100.example/t",
    "https://" + "\u00fc" * 64 + ".example/t",
]
NOT_ENCRYPTED = [
    "http://as.example/t",
    "http://10.0.0.1/t",
    "http://169.254.169.254/t",
    "http://0.0.0.0/t",
    "http://[::]/t",
    "http://[::ffff:127.0.0.1]/t",
    "http://localhost.evil.example/t",
    "http://127.0.0.1.evil.example/t",
    "http://evil.localhost/t",
]
FOR_A_SHELL = [
    "https://as.example/$(calc.exe)",
    "https://as.example/a;b",
    "https://as.example/a&b",
    "https://as.example/a'b",
    "https://as.example/a!b",
    "https://as.example/*",
    "https://as.example/a?x=$(id)",
    "https://as.example/a?x=y;z",
    "https://as.example/a?x='y'",
]


@pytest.mark.requirement("D6", "R75")
@pytest.mark.parametrize("url", [*NO_ADDRESS, *NOT_ENCRYPTED])
def test_what_is_no_plain_https_address_is_neither_asked_nor_opened(url: str) -> None:
    with pytest.raises(AddressRefused):
        check_endpoint(url, what="token_endpoint")
    with pytest.raises(AddressRefused):
        for_browser(url)


@pytest.mark.requirement("D6")
@pytest.mark.parametrize(
    "url", ["\\\\server\\share", "https://a/b\\c", "https://a/\n", " https://a"]
)
def test_what_parsers_read_differently_is_refused_before_it_is_parsed(url: str) -> None:
    with pytest.raises(AddressRefused, match="blanks, backslashes or invisible"):
        check_endpoint(url, what="token_endpoint")


@pytest.mark.requirement("D6")
@pytest.mark.parametrize("url", FOR_A_SHELL)
def test_what_a_shell_would_act_on_is_not_opened(url: str) -> None:
    with pytest.raises(AddressRefused, match="a shell would act on"):
        for_browser(url)
    assert check_endpoint(url, what="token_endpoint") == url


@pytest.mark.requirement("D6", "R75")
@pytest.mark.parametrize(
    ("url", "written"),
    [
        ("https://as.example/t", "https://as.example/t"),
        ("HTTPS://AS.Example:443/T", "https://as.example/T"),
        ("https://as.example:/t", "https://as.example/t"),
        ("https://as.example:8443", "https://as.example:8443"),
        ("https://as.example./t", "https://as.example./t"),
        ("https://as_1.example/~t/a%20b", "https://as_1.example/~t/a%20b"),
        ("https://as.example/a?p=b2c&q=%24%28", "https://as.example/a?p=b2c&q=%24%28"),
        ("https://B\u00dccher.example/t", "https://xn--bcher-kva.example/t"),
        ("https://[2001:DB8::0:1]:443/t", "https://[2001:db8::1]/t"),
        ("http://localhost:8080/t", "http://localhost:8080/t"),
        ("http://127.9.9.9/t", "http://127.9.9.9/t"),
        ("http://[::1]:80/t", "http://[::1]/t"),
    ],
)
def test_a_good_address_is_written_anew_from_its_parts(url: str, written: str) -> None:
    assert check_endpoint(url, what="token_endpoint") == written
    assert for_browser(url) == written
    assert for_browser(written) == written


@pytest.mark.requirement("R75", "R103")
def test_a_refusal_names_the_address_and_the_rule_and_no_secret() -> None:
    url = "http://user:hunter2@as.example/t\x1b[2J?code=hunter3#hunter4"
    with pytest.raises(AddressRefused) as refused:
        check_endpoint(url, what="token_endpoint")
    error = refused.value
    assert error.answered == "http://as.example/t\ufffd[2J"
    assert error.public.startswith("the token_endpoint http://as.example/t")
    assert "RFC 8414" in error.rule
    assert error.advice
    assert "hunter" not in repr((error.args, error.answered))


def test_a_long_address_is_shown_in_part() -> None:
    assert shown_address("https://a/" + "x" * 999) == "https://a/" + "x" * 190 + "..."


@pytest.mark.requirement("R91")
@pytest.mark.parametrize(
    ("url", "resource"),
    [
        ("https://mcp.example/mcp", "https://mcp.example/mcp"),
        ("https://mcp.example", "https://mcp.example"),
        ("https://mcp.example/", "https://mcp.example"),
        ("https://mcp.example/a/b//", "https://mcp.example/a/b"),
        ("HTTPS://MCP.Example:443/MCP#f", "https://mcp.example/MCP"),
        ("http://localhost:80/sse", "http://localhost/sse"),
        ("https://mcp.example:8443/mcp", "https://mcp.example:8443/mcp"),
        ("https://mcp.example/mcp/?tenant=a", "https://mcp.example/mcp?tenant=a"),
        ("https://mcp.example?tenant=a", "https://mcp.example?tenant=a"),
        ("wss://mcp.example/mcp", "https://mcp.example/mcp"),
        ("WS://localhost:9/", "http://localhost:9"),
        ("https://mcp.example/\u00fc b", "https://mcp.example/%C3%BC%20b"),
        ("https://b\u00fccher.example/%20", "https://xn--bcher-kva.example/%20"),
    ],
)
def test_a_server_has_one_name_as_a_resource(url: str, resource: str) -> None:
    assert canonical_resource(url) == resource
    assert canonical_resource(resource) == resource


@pytest.mark.parametrize("url", ["", "mcp.example", "file:///x", "https://a:0", "a b"])
def test_what_is_no_server_has_no_name(url: str) -> None:
    with pytest.raises(AddressRefused):
        canonical_resource(url)
    with pytest.raises(AddressRefused):
        origin_of(url)


@pytest.mark.parametrize(
    ("url", "origin"),
    [
        ("https://MCP.example:443/mcp?x=1", "https://mcp.example"),
        ("wss://mcp.example:8443/", "https://mcp.example:8443"),
        ("http://[::1]:9/a#b", "http://[::1]:9"),
    ],
)
def test_an_origin_is_scheme_host_and_port(url: str, origin: str) -> None:
    assert origin_of(url) == origin


@pytest.mark.parametrize(
    ("url", "written"),
    [
        ("ws://a/b", "http://a/b"),
        ("wss://a/b?c", "https://a/b?c"),
        ("WSS://a", "https://a"),
        ("https://a/ws://b", "https://a/ws://b"),
        ("", ""),
    ],
)
def test_a_socket_address_is_written_as_the_web_address_it_is(
    url: str, written: str
) -> None:
    assert http_url(url) == written
