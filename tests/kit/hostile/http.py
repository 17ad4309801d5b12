"""Every hostile server on HTTP, event streams and WebSockets."""

from kit.hostile.behaviour import joined
from kit.hostile.http_bodies import BODIES
from kit.hostile.http_statuses import STATUSES
from kit.hostile.http_streams import STREAMS
from kit.hostile.websocket import SOCKETS

HTTP = joined(STATUSES, BODIES, STREAMS)
WEB = joined(HTTP, SOCKETS)
