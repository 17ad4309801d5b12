"""Every hostile server on stdio."""

from kit.hostile.behaviour import joined
from kit.hostile.stdio_answers import WRONG
from kit.hostile.stdio_ends import ENDS
from kit.hostile.stdio_lists import LISTS
from kit.hostile.stdio_noise import NOISE

STDIO = joined(NOISE, ENDS, WRONG, LISTS)
