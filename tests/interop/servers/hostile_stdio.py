"""An MCP server on stdio that behaves badly in one way: ``hostile_stdio.py BEHAVIOUR``.

The names are those of ``kit.hostile.stdio``.
"""

import os
import sys

# No pathlib: a hundred of these start at once.
sys.path.insert(0, os.path.abspath(os.path.join(__file__, "../../..")))  # noqa: PTH100, PTH118 - see above

from kit.hostile.stdio import STDIO

if __name__ == "__main__":
    STDIO[sys.argv[1]].play()
