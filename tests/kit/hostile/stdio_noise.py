"""Servers on stdio that print what is no message, or too much (C1, C2, C3)."""

import os
import time
from collections.abc import Callable

from kit.hostile.behaviour import Behaviour, Work
from kit.hostile.stdio_parts import (
    MEBIBYTE,
    answering,
    before,
    beside,
    burst,
    doing,
    first,
    flood,
    on,
    says,
    serve,
    text_result,
    wrapped,
)

_MUTE = "handshaking took too long|no answer to initialize in time|not valid JSON"
_TOO_LONG = "a line is longer than 16777216 bytes"
_HOPELESS = "prints text where messages are expected"


def scream(data: Callable[[int], bytes]) -> Work:
    """On stderr, for ever."""

    def work() -> None:
        number = 0
        while True:
            number += 1
            os.write(2, data(number))
            time.sleep(0.05)

    return beside(work)


def _lsp(answer: bytes) -> bytes:
    return b"Content-Length: %d\r\n\r\n%b" % (len(answer), answer)


NOISE: dict[str, Behaviour[Work]] = {
    "junk": Behaviour(
        "prints lines that are no JSON, and JSON that is no message",
        "C1",
        before(b"not json at all\n", b"{'single': 1}\n", b"{}\n", b"[]\n"),
    ),
    "banner": Behaviour(
        "prints a banner and blank lines before each answer",
        "C1",
        before(b"=" * 79 + b"\nWelcome!\n\n\n\t\n"),
    ),
    "bom": Behaviour(
        "puts a byte order mark before each answer", "C1", before(b"\xef\xbb\xbf")
    ),
    "crlf": Behaviour("ends its lines with CRLF", "C1", wrapped(lambda a: a + b"\r\n")),
    "cr_only": Behaviour(
        "ends its lines with CR alone", "C1", wrapped(lambda a: a + b"\r"), _MUTE
    ),
    "no_newline": Behaviour("ends no line at all", "C1", wrapped(lambda a: a), _MUTE),
    "spaced": Behaviour(
        "indents its answers and pads them with blanks and tabs",
        "C1",
        wrapped(lambda a: b" \t " + a.replace(b":", b" : ") + b"   \n"),
    ),
    "pretty": Behaviour(
        "prints each answer over many lines",
        "C1",
        wrapped(lambda a: a.replace(b",", b",\n  ") + b"\n"),
        f"{_MUTE}|{_HOPELESS}",
    ),
    "two_on_a_line": Behaviour(
        "prints two messages on one line",
        "C1",
        wrapped(lambda a: a + a + b"\n"),
        _MUTE,
    ),
    "lsp_framing": Behaviour(
        "frames its messages by Content-Length, as language servers do",
        "C1",
        wrapped(_lsp),
        _MUTE,
    ),
    "utf16": Behaviour(
        "answers in UTF-16",
        "C1",
        wrapped(lambda a: (a + b"\n").decode().encode("utf-16")),
        _MUTE,
    ),
    "batches": Behaviour(
        "wraps each answer in an array, which one revision allows",
        "C1",
        wrapped(lambda a: b"[" + a + b"]\n"),
    ),
    "escape_codes": Behaviour(
        "colours its banner with terminal escapes and rings the bell",
        "C1",
        before(b"\x1b[2J\x1b[31mhello\x07\x1b]0;title\x07\n"),
    ),
    "binary": Behaviour(
        "prints every byte there is, and half a UTF-16 message",
        "C1",
        before(bytes(range(256)) * 16 + b"\n", b"\xff\xfe{\x00}\x00\n"),
    ),
    "nul_bytes": Behaviour(
        "prints a mebibyte of NUL before each answer",
        "C1",
        before(lambda: b"\0" * MEBIBYTE + b"\n"),
    ),
    "short_junk": Behaviour(
        "prints nine hundred junk lines before each answer",
        "C1",
        before(b"x\n" * 900),
    ),
    "junk_for_ever": Behaviour(
        "prints debug lines for ever",
        "C1",
        beside(flood(b"debug: still here\n")),
        f"{_HOPELESS}|took too long",
    ),
    "newlines_for_ever": Behaviour(
        "prints empty lines for ever", "C1", beside(flood(b"\n"))
    ),
    "batch_of_junk": Behaviour(
        "prints a batch of seven million numbers before each answer",
        "C1 C2",
        before(lambda: b"[" + b"1," * (7 * MEBIBYTE) + b"1]\n"),
    ),
    "empty_batches": Behaviour(
        "sends empty batches by the hundred",
        "C1",
        before(b"[]\n" * 300),
    ),
    "endless_line": Behaviour(
        "answers initialize with a line that never ends",
        "C2",
        on(initialize=doing(flood(b"x" * 65_536))),
        _TOO_LONG,
    ),
    "endless_blanks": Behaviour(
        "prints blanks without a newline for ever",
        "C2",
        beside(flood(b" " * 65_536)),
        _TOO_LONG,
    ),
    "line_of_20_mib": Behaviour(
        "answers a call with a line of 20 MiB",
        "C2",
        on(call=answering(lambda: text_result(b"x" * (20 * MEBIBYTE)))),
        _TOO_LONG,
    ),
    "line_of_64_mib": Behaviour(
        "answers a call with a line of 64 MiB",
        "C2 C37",
        on(call=answering(lambda: text_result(b"x" * (64 * MEBIBYTE)))),
        _TOO_LONG,
    ),
    "line_of_15_mib": Behaviour(
        "answers a call with a line of 15 MiB, which is legal",
        "C2",
        on(call=answering(lambda: text_result(b"x" * (15 * MEBIBYTE)))),
    ),
    "many_bytes_before_start": Behaviour(
        "prints ten mebibytes of log before it serves",
        "C1",
        first(says(lambda: b"#" * (10 * MEBIBYTE) + b"\n")),
    ),
    # stderr
    "screams": Behaviour(
        "floods stderr with lines", "C3", scream(lambda _: (b"x" * 120 + b"\n") * 256)
    ),
    "screams_without_newlines": Behaviour(
        "floods stderr without a newline", "C3", scream(lambda _: b"x" * 32_768)
    ),
    "screams_short_lines": Behaviour(
        "floods stderr with lines of one letter",
        "C3",
        scream(lambda _: (b"\nz" * 60 + b"\n") * 256),
    ),
    "screams_binary": Behaviour(
        "floods stderr with escapes, NUL and bad UTF-8",
        "C3 B3",
        scream(lambda _: b"\x1b[31m\x00\xff\xfe\xc0\x80\r\n" * 200),
    ),
    "screams_ever_new": Behaviour(
        "floods stderr with lines that are all different",
        "C3",
        scream(lambda n: b"".join(b"line %d of %d\n" % (i, n) for i in range(300))),
    ),
    "dies_screaming": Behaviour(
        "writes a mebibyte to stderr and dies",
        "C3 C5",
        on(call=doing(lambda: _last_words(b"!" * MEBIBYTE), lambda: os._exit(4))),
        "ended with status 4",
    ),
    "closes_stderr": Behaviour(
        "closes stderr and serves", "C3", first(lambda: os.close(2), then=serve)
    ),
    "talks_on": Behaviour(
        "answers pings nobody sent, without end",
        "C1 C31",
        beside(burst(lambda n: b'{"jsonrpc":"2.0","id":%d,"result":{}}\n' % next(n))),
    ),
}


def _last_words(data: bytes) -> None:
    while data:
        data = data[os.write(2, data) :]
