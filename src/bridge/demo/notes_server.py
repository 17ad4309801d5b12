"""A demo MCP server over streamable HTTP: notes, kept until the demo ends.

Every request is answered at once as JSON; there is no session and no stream.
"""

from collections import deque

import trio

from bridge.demo.offer import (
    Arguments,
    DemoServer,
    Prompt,
    Report,
    Resource,
    Tool,
    text,
)
from bridge.downstream.answer import method_not_allowed, not_found, rpc_error
from bridge.downstream.message import Answer, Request, Response
from bridge.errors import FrameInvalid
from bridge.protocol.codes import Code
from bridge.protocol.frame import Frame, decode, encode

PATH = "/mcp"
#: The oldest goes when one more is added.
MOST_NOTES = 100
_LONGEST_NOTE = 1000


class Notebook:
    """What was noted, oldest first."""

    def __init__(self, *notes: str) -> None:
        self._notes = deque(notes, maxlen=MOST_NOTES)

    async def add(self, arguments: Arguments, _report: Report) -> str:
        """The tool ``add_note``."""
        await trio.lowlevel.checkpoint()
        self._notes.append(text(arguments, "text", most=_LONGEST_NOTE))
        return f"Noted; there are {len(self._notes)} notes."

    async def search(self, arguments: Arguments, _report: Report) -> str:
        """The tool ``search_notes``."""
        await trio.lowlevel.checkpoint()
        word = text(arguments, "word", most=_LONGEST_NOTE).casefold()
        found = [note for note in self._notes if word in note.casefold()]
        return "\n".join(found) or "No note has this word."

    def all(self) -> str:
        return "\n".join(self._notes)


def notes_server(notebook: Notebook) -> DemoServer:
    """The server over a notebook."""
    return DemoServer(
        "notes",
        tools=[
            Tool(
                name="add_note",
                description="Keeps a note.",
                properties={"text": {"type": "string"}},
                required=("text",),
                run=notebook.add,
            ),
            Tool(
                name="search_notes",
                description="Finds the notes that have a word.",
                properties={"word": {"type": "string"}},
                required=("word",),
                run=notebook.search,
            ),
        ],
        prompts=[
            Prompt(
                name="summarize_notes",
                description="Asks for a summary of all notes.",
                text=lambda: f"Summarize these notes:\n{notebook.all()}",
            )
        ],
        resources=[
            Resource(
                uri="notes://all",
                name="all notes",
                description="Every note, oldest first.",
                text=notebook.all,
            )
        ],
    )


class NotesPages:
    """The server as a handler of HTTP requests."""

    def __init__(self, server: DemoServer) -> None:
        self._server = server

    async def handle(self, request: Request) -> Answer:
        """One posted message in, its answer out."""
        if request.path != PATH:
            return not_found()
        if request.method != "POST":
            return method_not_allowed(["POST"])
        try:
            asked = decode(await request.body())
        except FrameInvalid as error:
            return rpc_error(400, Code.PARSE_ERROR, error.public)
        answer = await self._server.answer(asked, _unheard)
        if answer is None:
            return Response(status=202)
        return Response(
            status=200,
            headers=(("content-type", "application/json"),),
            body=encode(answer),
        )


async def _unheard(_notification: Frame) -> None:
    """Nothing here takes long enough for progress; a stream would carry it."""
    await trio.lowlevel.checkpoint()
