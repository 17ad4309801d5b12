"""What every run is checked for: the name of each check, and what it stands for.

``invariants`` are those of the architecture (section 10.4), ``promises`` those of the
threat catalogue (section 2).
"""

import msgspec


class Check(msgspec.Struct, frozen=True):
    """One check. ``text`` completes "a run fails when ..."."""

    text: str
    invariants: tuple[int, ...] = ()
    promises: tuple[int, ...] = ()


INVARIANTS = range(1, 11)
PROMISES = range(1, 9)

CHECKS: dict[str, Check] = {
    "answered": Check("a call or request gets no answer in time", (1,), (2,)),
    "answer once": Check("a call is answered a second time", (1,), (2,)),
    "own answer": Check("an answer or progress reaches who did not ask", (3,), (2,)),
    "own question": Check("a question reaches another principal", (3,), (7,)),
    "order": Check("progress comes after the answer", (1,), (2,)),
    "cancel": Check("a call taken back is answered all the same", (1,), (2,)),
    "honest": Check("an error says that nothing ran, and it ran", (2,), (2,)),
    "run once": Check("an upstream runs a call twice", (2,), (2,)),
    "origin": Check("an upstream runs what nobody asked for", (2, 7), (1,)),
    "route": Check("a call runs at another upstream", (3,), (2,)),
    "isolation": Check(
        "a call to the steady upstream fails or is late while others fail", (5,), (3,)
    ),
    "heal": Check("an upstream is not back in time after the faults", (4,), (3,)),
    "open": Check("a client is never let in, though it tries again", (4,), (3,)),
    "stream": Check("a client's stream ends for no reason", (1,), (2, 8)),
    "news": Check("a tool that joins is not told, listed or callable", (4,), (3,)),
    "guard": Check(
        "a bad token, or another's session, opens or runs anything", (7,), (1,)
    ),
    "passthrough": Check("a client's token, or none, reaches an upstream", (7,), (7,)),
    "tokens": Check(
        "the strict provider sees a rule broken: two refreshes at once, a used "
        "refresh token, a token for somebody else",
        (6,),
        (6, 7),
    ),
    "disk": Check("a file of ours cannot be read again", (6,), (6, 8)),
    "secrets": Check("a secret is in a log line, status or answer", (8,), (5,)),
    "bounds": Check("a queue or table is above its bound", (10,), (4,)),
    "idle": Check("something is held though nobody is there", (9,), (4,)),
    "drain": Check(
        "after a stop a process, connection or actor is left, or it took too long",
        (9,),
        (8,),
    ),
    "reload": Check("a reload touches what did not change", (5,), (3,)),
    "junk": Check("junk is answered with a 5xx, or not at all", (1,), (4,)),
    "exit": Check("the bridge ends with an error", (9,), (8,)),
    "crash": Check("an exception comes out of a run, or it hangs", (9,), (8,)),
    "progress": Check("a run does not come to its end", (9,), (8,)),
}
