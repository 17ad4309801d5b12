"""Which part of the namespace a route shows."""

from typing import Literal

import msgspec

from bridge.contract.router import UpstreamPolicy


class View(msgspec.Struct, frozen=True):
    """One server, the servers with tags, or (the default) everything."""

    server: str | None = None
    tags: frozenset[str] = frozenset()
    match: Literal["all", "any"] = "all"

    def admits(self, policy: UpstreamPolicy) -> bool:
        """Whether an upstream belongs to this view."""
        if self.server is not None:
            return self.server in (policy.name, policy.slug)
        if not self.tags:
            return True
        if self.match == "all":
            return self.tags <= policy.tags
        return bool(self.tags & policy.tags)


EVERYTHING = View()
