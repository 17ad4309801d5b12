"""The configuration file of a bridge, for the command line: on the control socket and
nowhere else, since it makes the bridge read a file and run what that names.

/config/plan      what the file as it stands now would change
/config/reload    POST: apply it, or nothing of it
"""

from bridge.contract.reload import Plan, Reloading
from bridge.downstream.answer import json, method_not_allowed, refusal
from bridge.downstream.message import Request, Response

_READ = ("GET",)
_TELL = ("POST",)
NO_FILE = "this bridge was started without a configuration file"


class ReloadPages:
    """Answers what is below ``/config``. None: there is no file."""

    def __init__(self, reloading: Reloading | None) -> None:
        self._reloading = reloading

    async def handle(self, request: Request) -> Response | None:
        """The page; None for a path that is none of these."""
        match request.path:
            case "/config/plan":
                methods = _READ
            case "/config/reload":
                methods = _TELL
            case _:
                return None
        if request.method not in methods:
            return method_not_allowed(methods)
        if self._reloading is None:
            return refusal(409, "no_file", NO_FILE)
        if methods is _READ:
            return _shown(await self._reloading.plan())
        return _shown(await self._reloading.reload())


def _shown(plan: Plan) -> Response:
    """A refused file is a good answer: it says why."""
    return json(plan)
