"""The echo server on stdio: ``stdio_echo.py CPU [DELAY]``. CPU -1: any."""

import os
import sys
import time

from echo import Echo


def serve() -> None:
    """Until standard input ends; all that waits is answered in one write."""
    echo, rest = Echo(), b""
    while data := os.read(0, 1 << 18):
        *lines, rest = (rest + data).split(b"\n")
        answers = [answer for line in lines for answer in echo.answers(line)]
        if answers:
            _write_all(b"\n".join(answers) + b"\n")


def _write_all(data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(1, view) :]


if __name__ == "__main__":
    if (cpu := int(sys.argv[1])) >= 0:
        os.sched_setaffinity(0, {cpu})
    if len(sys.argv) > 2:
        time.sleep(float(sys.argv[2]))
    serve()
