"""Messages of a link that carries one after the other: decoded, counted, handed on."""

from bridge.errors import AnswerUnreadable, FrameInvalid
from bridge.protocol.answer_id import answered_id
from bridge.protocol.frame import decode_upstream
from bridge.wire.inbox import Inbox
from bridge.wire.link import FrameRefused, Received, RequestFailed

#: Whoever sends this much and never a message does not speak the protocol (C1).
JUNK_IN_A_ROW = 1000


class Intake:
    """Puts frames and refusals into the inbox; ``hopeless`` after junk without end."""

    def __init__(self, inbox: Inbox) -> None:
        self._inbox = inbox
        self._junk = 0

    @property
    def hopeless(self) -> bool:
        return self._junk >= JUNK_IN_A_ROW

    async def take(self, data: bytes) -> None:
        """One message, or a batch of them."""
        try:
            frames = decode_upstream(data)
        except FrameInvalid as error:
            self._junk += 1
            await refuse(self._inbox, data, error)
            return
        self._junk = 0
        for frame in frames:
            await self._inbox.put(Received(frame=frame))

    async def refuse(self, kind: str, *, size: int) -> None:
        """Something that is no message."""
        self._junk += 1
        await self._inbox.put(FrameRefused(kind=kind, size=size))


async def refuse(inbox: Inbox, data: bytes, error: FrameInvalid) -> None:
    """Say that this is no message, and fail the request it seems to answer (C37)."""
    kind = "not_json" if error.parse else "not_a_message"
    await inbox.put(FrameRefused(kind=kind, size=len(data)))
    upstream_id = answered_id(data)
    if upstream_id is not None:
        failure = AnswerUnreadable(error.public)
        await inbox.put(RequestFailed(upstream_id=upstream_id, error=failure))
