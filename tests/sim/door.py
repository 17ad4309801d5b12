"""Who may come in: an issuer on the simulated network, and tokens good and bad."""

import trio

from bridge.config.model import AuthConfig
from kit.issuer import AUDIENCE, NOW, claims, key_set, make_key, mint
from kit.network import Address, SimulatedNetwork
from kit.scripted_http import Exchange, ScriptedServer

#: Plain http is for loopback only.
ADDRESS: Address = ("127.0.0.1", 9000)
ISSUER = f"http://{ADDRESS[0]}:{ADDRESS[1]}"
#: Good on whatever day the bridge believes it is: clocks are wrong by a day at most.
_BEGUN, _ENDS = int(NOW) - 200_000, int(NOW) + 200_000
_ENDED = int(NOW) - 150_000
_KEY = make_key("sim", "P-256")
_FOREIGN = make_key("foreign", "P-256")


class SimulatedDoor:
    """The issuer's side and the clients' side of the guard."""

    def __init__(self, *, guarded: bool) -> None:
        self.guarded = guarded
        self._server = ScriptedServer(_answer)

    @property
    def config(self) -> AuthConfig:
        if not self.guarded:
            return AuthConfig(mode="none")
        return AuthConfig(
            issuer=ISSUER,
            audience=(AUDIENCE,),
            jwks_url=f"{ISSUER}/keys",
            algorithms=("ES256",),
        )

    async def serve(
        self, network: SimulatedNetwork, nursery: trio.Nursery, *, down: float
    ) -> None:
        """Serve the keys; refuse for the first ``down`` seconds."""
        await network.serve(nursery, ADDRESS, handler=self._server.handle)
        if down:
            network.refused.add(ADDRESS)
            nursery.start_soon(_come_back, network, down)

    def token(self, subject: str) -> str:
        """A good token, for longer than a run lasts."""
        return self._mint(sub=subject)

    def bad_tokens(self, subject: str) -> list[str | None]:
        """None of these opens anything."""
        good = self.token(subject)
        head, body, signature = good.split(".")
        return [
            None,
            "nonsense",
            self._mint(sub=subject, exp=_ENDED),
            self._mint(sub=subject, aud="somebody-else"),
            self._mint(sub=subject, iss="http://another.test"),
            mint(_FOREIGN, claims(iss=ISSUER, exp=_ENDS, iat=_BEGUN, nbf=_BEGUN)),
            # Signatures hold chance: spoil one so that the reason is always the same.
            f"{head}.{body}.{'B' if signature[0] == 'A' else 'A'}{signature[1:]}",
        ]

    def _mint(self, **changes: object) -> str:
        good = {"iss": ISSUER, "exp": _ENDS, "iat": _BEGUN, "nbf": _BEGUN}
        return mint(_KEY, claims(**{**good, **changes}))


async def _answer(exchange: Exchange) -> None:
    if exchange.asked.target == "/keys":
        await exchange.json(key_set(_KEY))
    else:
        await exchange.answer(404)


async def _come_back(network: SimulatedNetwork, after: float) -> None:
    await trio.sleep(after)
    network.refused.discard(ADDRESS)
