"""People at their browsers, for tests of logins."""

from collections.abc import Awaitable, Callable

import trio

#: What a person does with an address that a browser shows.
Person = Callable[[str], Awaitable[object]]


class SimulatedBrowser:
    """The Browser port. ``opened`` keeps every address it was handed.

    ``present=False`` is a machine without a screen. ``person`` gets each address in a
    task of ``nursery``, as windows do not wait for each other. ``delay`` is how long
    the command takes; ``trio.Event``s and the like are the person's own affair.
    """

    def __init__(
        self,
        *,
        present: bool = True,
        person: Person | None = None,
        nursery: trio.Nursery | None = None,
        delay: float = 0.0,
    ) -> None:
        self.present = present
        self.person = person
        self.nursery = nursery
        self.delay = delay
        self.opened: list[str] = []

    async def open(self, url: str) -> bool:
        await trio.sleep(self.delay)
        self.opened.append(url)
        if self.present and self.person is not None:
            assert self.nursery is not None, "a person lives in a nursery"
            self.nursery.start_soon(self.person, url)
        return self.present
