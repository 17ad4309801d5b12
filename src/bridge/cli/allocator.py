"""What the C library keeps of freed memory: as little as it can be told to."""

import ctypes

#: ``mallopt`` of glibc; other C libraries have no such call, or none with this effect.
_MMAP_THRESHOLD = -3
_OCTETS = 256 * 2**10


def give_back_large_blocks() -> bool:
    """Have blocks of more than 256 KiB returned to the system when they are freed.

    Without it glibc learns from the first message of some megabytes that such blocks
    are usual, and keeps the room of each in its heap. False: nothing was changed.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError, TypeError):
        return False
    return bool(mallopt(_MMAP_THRESHOLD, _OCTETS))
