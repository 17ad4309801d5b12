"""``BROWSER`` of somebody who agrees to everything: opens the address and leaves.

Usage: ``visit.py URL``.
"""

import sys
import urllib.request

if __name__ == "__main__":
    urllib.request.urlopen(sys.argv[1], timeout=20).read()
