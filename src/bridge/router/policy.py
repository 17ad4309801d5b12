"""Which part of the namespace a route shows, to whom. Pure."""

from typing import Literal

import msgspec
from msgspec.structs import replace

from bridge.contract.router import UpstreamPolicy
from bridge.router.access import FULL, Access


class View(msgspec.Struct, frozen=True):
    """One server, the servers with tags, or (the default) everything; and of that what
    ``access`` leaves."""

    server: str | None = None
    tags: frozenset[str] = frozenset()
    match: Literal["all", "any"] = "all"
    access: Access = FULL

    @property
    def place(self) -> "View":
        """What the route shows to those who may see everything."""
        return self.seen_with(FULL)

    def seen_with(self, access: Access) -> "View":
        """The same route for somebody else."""
        return self if access == self.access else replace(self, access=access)

    def admits(self, policy: UpstreamPolicy) -> bool:
        """Whether anything of an upstream is in this view."""
        return self._is_of_route(policy) and self.access.sees(policy)

    def admits_whole(self, policy: UpstreamPolicy) -> bool:
        """Whether its prompts and resources are, too."""
        return self._is_of_route(policy) and self.access.sees_whole(policy)

    def _is_of_route(self, policy: UpstreamPolicy) -> bool:
        if self.server is not None:
            return self.server in (policy.name, policy.slug)
        if not self.tags:
            return True
        if self.match == "all":
            return self.tags <= policy.tags
        return bool(self.tags & policy.tags)


EVERYTHING = View()
