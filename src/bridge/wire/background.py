"""Background tasks of a link, owned by the ``async with`` that opened it."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import trio


@asynccontextmanager
async def background_tasks() -> AsyncGenerator[trio.Nursery, None]:
    """A nursery that ends with its body, whose own exception leaves unwrapped.

    The opener of a link catches `LinkError` around it: a nursery would turn that into
    an exception group. What a background task raises is a bug and stays a group.
    """
    failure: Exception | None = None
    async with trio.open_nursery() as nursery:
        try:
            yield nursery
        except Exception as error:  # noqa: BLE001 - raised again below, unwrapped
            failure = error
        finally:
            nursery.cancel_scope.cancel()
    if failure is not None:
        raise failure
