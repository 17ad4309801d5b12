"""How a child process is brought to its end, in bounded time (R63, C6)."""

import trio

from bridge.ports import Process

#: Decision 16: asked by a closed stdin, told after 3 s, made to after 3 more.
GRACE = 3.0
#: After SIGKILL only the kernel can delay the end; it is not waited for long.
_REAP = 2.0


async def stop(process: Process) -> None:
    """End the child and its group, and reap it; the streams are closed.

    Takes at most twice `GRACE` and a little more, even when it is cancelled.
    """
    with trio.move_on_after(2 * GRACE + _REAP, shield=True):
        async with trio.open_nursery() as nursery:
            # A child that is blocked writing would never see its input end.
            nursery.start_soon(_discard, process.stdout)
            nursery.start_soon(_discard, process.stderr)
            await _end(process)
            nursery.cancel_scope.cancel()
    with trio.move_on_after(_REAP, shield=True):
        await trio.aclose_forcefully(process.stdout)
        await trio.aclose_forcefully(process.stderr)


async def _end(process: Process) -> None:
    await trio.aclose_forcefully(process.stdin)
    if not await _exits(process):
        process.terminate()
        if not await _exits(process):
            process.kill()
            await process.wait()
    process.kill()  # grandchildren: the group may outlive its leader


async def _exits(process: Process) -> bool:
    with trio.move_on_after(GRACE):
        await process.wait()
        return True
    return False


async def _discard(stream: trio.abc.ReceiveStream) -> None:
    try:
        async for _ in stream:
            pass
    except (trio.BrokenResourceError, trio.ClosedResourceError):
        return
