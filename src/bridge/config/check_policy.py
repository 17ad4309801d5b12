"""What types cannot say of the limits on tools and clients (R48, R128).

A limit that does nothing by mistake is worse than none: whatever could make one so is
an error here, with the next step.
"""

from collections.abc import Iterable, Iterator, Sequence

from bridge.config.access import AccessConditionConfig, AccessRuleConfig
from bridge.config.findings import Findings
from bridge.config.glob import fault_of, globs, is_doubtful, is_pattern
from bridge.config.jsonc import Path
from bridge.config.model import BridgeConfig
from bridge.config.names import slug
from bridge.config.server import ToolSecurityConfig, UpstreamConfig
from bridge.config.spelling import suggestion

#: Beyond this a list is a database, and each tool is held against all of it.
MOST = 500

_ACCESS: Path = ("bridge", "access")


def check_limits(
    section: BridgeConfig | UpstreamConfig, path: Path, findings: Findings
) -> None:
    """Report what is wrong with the limits on tools of one level."""
    for inner, security in (
        (path, section.tool_security),
        ((*path, "security"), section.security.tool_security),
    ):
        _check_tools(security, (*inner, "tool_security"), findings)
    direct, nested = section.read_only_mode, section.security.read_only_mode
    if nested is not None and direct is not None and direct != nested:
        _two_answers(section, path, findings)


def _two_answers(
    section: BridgeConfig | UpstreamConfig, path: Path, findings: Findings
) -> None:
    # The bridge's own switch has a default, so that only its `true` was written.
    if section.read_only_mode or isinstance(section, UpstreamConfig):
        findings.warning(
            (*path, "security", "read_only_mode"),
            "differs from read_only_mode beside it; the stricter one, true, counts",
            "write it once",
        )


def _check_tools(security: ToolSecurityConfig, path: Path, findings: Findings) -> None:
    for key, patterns in (
        ("allow_patterns", security.allow_patterns),
        ("block_patterns", security.block_patterns),
    ):
        _check_patterns(patterns, (*path, key), findings)
    for key, names in (
        ("allow_tools", security.allow_tools),
        ("block_tools", security.block_tools),
    ):
        _check_count(names, (*path, key), findings)
        for index, name in enumerate(names):
            instead = key.replace("tools", "patterns")
            _check_name(name, (*path, key, index), findings, instead=instead)
    for name in security.classification_overrides:
        _check_name(name, (*path, "classification_overrides", name), findings)


def _check_name(name: str, path: Path, findings: Findings, instead: str = "") -> None:
    if not name:
        findings.error(path, "empty, so that it fits nothing")
    elif is_pattern(name):
        findings.error(
            path,
            "a pattern, where whole names are wanted",
            f"write it under {instead}" if instead else "name each tool",
        )


def _check_patterns(patterns: Sequence[str], path: Path, findings: Findings) -> None:
    _check_count(patterns, path, findings)
    for index, pattern in enumerate(patterns):
        if fault := fault_of(pattern):
            findings.error((*path, index), fault, "write get_* for what begins so")
        elif is_doubtful(pattern):
            findings.warning(
                (*path, index),
                "'.*' is a dot and then any text here, not a regular expression",
                "write * alone for any text",
            )


def _check_count(values: Sequence[str], path: Path, findings: Findings) -> None:
    if len(values) > MOST:
        findings.error(path, f"more than {MOST} entries", "use patterns")


def check_access(
    bridge: BridgeConfig, servers: Iterable[UpstreamConfig], findings: Findings
) -> None:
    """Report what is wrong with the rules of access, given every server of the file."""
    known = tuple(servers)
    if len(bridge.access) > MOST:
        findings.error(_ACCESS, f"more than {MOST} rules")
    for index, rule in enumerate(bridge.access):
        _RuleCheck(rule, (*_ACCESS, index), findings).against(known)
    _check_tokens(bridge, findings)
    if bridge.access and all(rule.deny for rule in bridge.access):
        findings.warning(
            _ACCESS,
            "only rules that deny, so that nobody sees anything",
            'begin with a rule that shows, such as {"servers": ["*"]}',
        )


def _check_tokens(bridge: BridgeConfig, findings: Findings) -> None:
    if bridge.auth.mode != "none":
        return
    for index, rule in enumerate(bridge.access):
        if rule.when is not None:
            findings.warning(
                (*_ACCESS, index, "when"),
                "never true: authentication is off, so that there are no tokens",
                "a rule without 'when' counts for everybody",
            )


class _RuleCheck:
    def __init__(self, rule: AccessRuleConfig, path: Path, findings: Findings) -> None:
        self._rule = rule
        self._path = path
        self._findings = findings

    def against(self, servers: Sequence[UpstreamConfig]) -> None:
        rule = self._rule
        if rule.servers is None and rule.tags is None and rule.tools is None:
            self._error((), "selects nothing", 'write "servers": ["*"] for everything')
        for key in ("servers", "tags", "tools"):
            self._list(key, getattr(rule, key))
        if rule.when is not None:
            self._condition(rule.when)
        self._servers(rule.servers or (), servers)
        tags = sorted({tag for server in servers for tag in server.tags})
        for index, tag in enumerate(rule.tags or ()):
            if tag and tag not in tags:
                self._findings.warning(
                    (*self._path, "tags", index),
                    "no server has this tag",
                    suggestion(tag, tags),
                )

    def _error(self, keys: Path, reason: str, hint: str = "") -> None:
        self._findings.error((*self._path, *keys), reason, hint)

    def _list(self, key: str, given: tuple[str, ...] | None) -> None:
        if given is None:
            return
        path = (*self._path, key)
        if not given:
            self._error((key,), "empty", "leave it out, or name something")
        if key == "tags":
            for index in (i for i, tag in enumerate(given) if not tag):
                self._error((key, index), "empty")
        elif key == "tools":
            _check_patterns(given, path, self._findings)
        else:
            _check_count(given, path, self._findings)

    def _condition(self, when: AccessConditionConfig) -> None:
        if not when.scope and not when.claim:
            self._error(("when",), "names neither a scope nor a claim")
        for index, scope in enumerate(when.scope):
            if not scope or " " in scope:
                self._error(("when", "scope", index), "not one scope")
        for claim, value in when.claim.items():
            if not claim or not value:
                self._error(("when", "claim", claim), "empty")

    def _servers(
        self, wanted: Sequence[str], servers: Sequence[UpstreamConfig]
    ) -> None:
        names = [server.name for server in servers]
        for index, text in enumerate(wanted):
            if any(globs((text,)).first_match(*_spellings(name)) for name in names):
                continue
            path: Path = ("servers", index)
            if fault := self._fault_of_server(text):
                self._error(path, fault)
            elif is_pattern(text):
                self._findings.warning(
                    (*self._path, *path), "no server fits this pattern"
                )
            else:
                shown = self._findings.shown((*self._path, *path), text)
                self._error(path, f"no server {shown}", suggestion(text, names))

    @staticmethod
    def _fault_of_server(text: str) -> str:
        # A server's name may hold any character, so that only nothing is no name.
        return fault_of(text) if is_pattern(text) or not text else ""


def _spellings(name: str) -> Iterator[str]:
    yield name
    yield slug(name)
