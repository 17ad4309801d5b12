"""Whether a URI may come from an RFC 6570 template. Pure, and linear in the URI.

Templates come from upstreams, so they are never turned into a pattern for a
backtracking matcher: literals are looked for in order, once.
"""

import re

_EXPRESSION = re.compile(r"\{([+#./;?&]?)([^{}]*)\}")
_RESERVED_ALLOWED = "+#/?&;."


class UriTemplate:
    """One template, split into literals and expressions."""

    def __init__(self, text: str) -> None:
        self._literals: list[str] = []
        self._operators: list[str] = []
        end = 0
        for match in _EXPRESSION.finditer(text):
            self._literals.append(text[end : match.start()])
            self._operators.append(match.group(1))
            end = match.end()
        self._literals.append(text[end:])

    def matches(self, uri: str) -> bool:
        """A simple ``{name}`` covers no ``/``; operators (section 3.2) do."""
        if not self._operators:
            return uri == self._literals[0]
        first, last = self._literals[0], self._literals[-1]
        body = len(uri) - len(last)
        if not uri.startswith(first) or not uri.endswith(last) or body < len(first):
            return False
        return self._middle_matches(uri, start=len(first), end=body)

    def _middle_matches(self, uri: str, *, start: int, end: int) -> bool:
        position = start
        for operator, literal in zip(
            self._operators, [*self._literals[1:-1], None], strict=True
        ):
            found = end if literal is None else uri.find(literal, position, end)
            if found < 0 or not _covers(operator, uri[position:found]):
                return False
            position = found + len(literal or "")
        return True


def _covers(operator: str, text: str) -> bool:
    if operator and operator in _RESERVED_ALLOWED:
        return True
    return bool(text) and "/" not in text
