"""The key cache: one task that keeps the issuer's key set fresh.

It owns the set and publishes it whole, as `KeyCache.snapshot`; verifying never waits
for it. Only a token that names an unknown key may ask for one fetch, at most one per
cool-down whoever asks and however often (A8). What was good stays in use while the
issuer is away, for a bounded time; an answer without a usable key changes nothing.
"""

from math import inf, isinf

import msgspec
import trio

from bridge.errors import KeysUnavailable, LinkError, ProtocolError
from bridge.identity.discovery import (
    Metadata,
    guessed_key_url,
    metadata_urls,
    read_metadata,
)
from bridge.identity.fetch import Fetch
from bridge.identity.keyset import KeySet, KeySnapshot, read_key_set
from bridge.observe import catalogue as events
from bridge.observe.logging import Log
from bridge.observe.status import KeysStatus


class KeyTimes(msgspec.Struct, frozen=True, kw_only=True):
    """Every wait of the cache, in seconds."""

    #: A withdrawn key stops working within this time (A40).
    lifetime: float = 300.0
    #: Between two fetches that tokens may cause; a new key works after it at latest.
    cool_down: float = 60.0
    #: A key set the issuer has not confirmed for so long is not believed any more:
    #: longer than most outages, shorter than the usual life of a token.
    stale_limit: float = 6 * 3600.0
    #: The issuer's own description changes rarely; asked again also when keys fail.
    metadata_lifetime: float = 3600.0
    #: One document; a slow issuer is as good as none.
    fetch: float = 10.0
    #: What a client with an unknown key is made to wait at most.
    lookup: float = 5.0
    #: First pause after a failure; doubles up to the cool-down.
    retry: float = 2.0


class KeyCache:
    """A supervised child; see `run`. Reading is synchronous: `snapshot`."""

    def __init__(
        self,
        issuer: str,
        jwks_url: str,
        *,
        fetch: Fetch,
        log: Log,
        times: KeyTimes | None = None,
    ) -> None:
        self.snapshot = KeySnapshot()
        self._issuer = issuer
        self._jwks_url = jwks_url
        self._fetch = fetch
        self._log = log
        self._times = times or KeyTimes()
        self._metadata: Metadata | None = None
        self._metadata_due = -inf
        self._confirmed_at = -inf
        self._attempted_at = -inf
        self._failures = 0
        self._last_error = ""
        self._last_error_at: float | None = None
        self._fetching = False
        self._wanted = trio.Event()
        self._finished = trio.Event()

    @property
    def issuer(self) -> str:
        """The issuer's exact name where it is known, else as configured."""
        return self.snapshot.issuer or self._issuer

    @property
    def status(self) -> KeysStatus:
        """How the set stands, for operators."""
        confirmed = None if isinf(self._confirmed_at) else self._confirmed_at
        tried = None if isinf(self._attempted_at) else self._attempted_at
        return KeysStatus(
            issuer=self.issuer,
            state=self._word,
            keys=len(self.snapshot.keys),
            confirmed_at=confirmed,
            retry_at=None if tried is None else tried + self._pause(),
            last_error=self._last_error,
            last_error_at=self._last_error_at,
        )

    @property
    def _word(self) -> str:
        if self.snapshot.keys:
            return "stale" if self._failures else "valid"
        return "missing" if self._failures else "reading"

    async def run(self, stopping: trio.Event) -> None:
        """Keep the set fresh until ``stopping`` is set."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._refresh_for_ever)
            await stopping.wait()
            nursery.cancel_scope.cancel()

    async def lookup(self, kid: str | None) -> KeySnapshot:
        """The set after at most one fetch on behalf of an unknown key.

        Waits for a fetch in progress, or for a new one where the cool-down permits
        it, and no longer than `KeyTimes.lookup`. Raises `KeysUnavailable` while there
        is no set at all.
        """
        if not self.snapshot.named(kid) and self._may_fetch():
            self._wanted.set()
            finished = self._finished
            with trio.move_on_after(self._times.lookup):
                await finished.wait()
        if not self.snapshot.keys:
            raise KeysUnavailable("the issuer's keys have not been read yet")
        return self.snapshot

    def _may_fetch(self) -> bool:
        since = trio.current_time() - self._attempted_at
        return self._fetching or since >= self._times.cool_down

    async def _refresh_for_ever(self) -> None:
        while True:
            await self._refresh()
            with trio.move_on_after(self._pause()):
                await self._wanted.wait()

    def _pause(self) -> float:
        if not self._failures:
            return self._times.lifetime
        doubled = self._times.retry * 2.0 ** min(self._failures - 1, 16)
        return min(doubled, self._times.cool_down)

    async def _refresh(self) -> None:
        """One attempt. Afterwards whoever waits is woken, whatever came of it."""
        self._attempted_at = trio.current_time()
        self._fetching = True
        self._wanted = trio.Event()
        try:
            await self._read()
        except (LinkError, ProtocolError) as error:
            self._fail(error.public)
        else:
            self._failures = 0
        finally:
            self._fetching = False
            finished, self._finished = self._finished, trio.Event()
            finished.set()

    async def _read(self) -> None:
        if self._jwks_url:
            await self._read_keys(self._jwks_url)
            await self._learn_issuer()
            return
        await self._learn_issuer()
        known = self._metadata
        await self._read_keys(
            known.jwks_uri if known else guessed_key_url(self._issuer)
        )

    async def _read_keys(self, url: str) -> None:
        read = read_key_set(await self._get(url))
        self._confirmed_at = trio.current_time()
        self._publish(read)

    def _publish(self, read: KeySet) -> None:
        issuer = self._metadata.issuer if self._metadata else None
        self.snapshot = KeySnapshot(keys=read.keys, issuer=issuer)
        self._log.emit(
            events.IDENTITY_KEYS_REFRESHED,
            keys=len(read.keys),
            skipped=read.skipped,
            issuer=self.issuer,
        )

    async def _learn_issuer(self) -> None:
        """Read the metadata where that is due. Best effort: what is known stays."""
        if trio.current_time() < self._metadata_due:
            return
        metadata = await self._discover()
        if metadata is None:
            return
        self._metadata = metadata
        self._metadata_due = trio.current_time() + self._times.metadata_lifetime
        if self.snapshot.issuer != metadata.issuer:
            self.snapshot = msgspec.structs.replace(
                self.snapshot, issuer=metadata.issuer
            )

    async def _discover(self) -> Metadata | None:
        for url in metadata_urls(self._issuer):
            try:
                return read_metadata(await self._get(url), self._issuer)
            except (LinkError, ProtocolError) as error:
                self._log.emit(
                    events.IDENTITY_DISCOVERY_FAILED, url=url, error=error.public
                )
        return None

    async def _get(self, url: str) -> bytes:
        with trio.move_on_after(self._times.fetch):
            result = await self._fetch(url)
            if result.status != 200:  # noqa: PLR2004 - a redirect is no answer either
                raise ProtocolError(f"the issuer answered {result.status}")
            return result.body
        raise ProtocolError("the issuer did not answer in time")

    def _fail(self, reason: str) -> None:
        self._failures += 1
        self._last_error, self._last_error_at = reason, trio.current_time()
        self._metadata_due = -inf  # the keys may have moved: ask where they are
        age = trio.current_time() - self._confirmed_at
        if age > self._times.stale_limit:
            self.snapshot = KeySnapshot(issuer=self.snapshot.issuer)
        self._log.emit(
            events.IDENTITY_KEYS_FAILED,
            keys=len(self.snapshot.keys),
            age=None if age == inf else round(age),
            error=reason,
            retry_in=self._pause(),
        )
