"""A session goes on with the token of its latest request."""

from bridge.downstream.guard import Admission
from bridge.identity.refusal import Reason, TokenRefused
from bridge.observe import catalogue as events
from bridge.router.dispatch import Dispatcher
from bridge.router.session import Session


def renew(session: Session, admission: Admission, dispatcher: Dispatcher) -> None:
    """From now on the session lasts as long, and sees as much, as this token allows.

    Raises `TokenRefused` for a token older than one it has seen that allows something
    else: neither may it do more than the newest, nor the session more than the token.
    """
    if not dispatcher.entitle(session, admission.entitlement):
        session.log.emit(events.SESSION_TOKEN_OUTDATED)
        raise TokenRefused(Reason.OUTDATED)
    session.extend(admission.expires_at)
