"""Token answers as the well-known providers shape them."""

from collections.abc import Mapping

AUTH0 = {
    "access_token": "eyJ.auth0.token",
    "refresh_token": "v1.auth0",
    "id_token": "eyJ.id.token",
    "scope": "read:wiki offline_access",
    "expires_in": 86400,
    "token_type": "Bearer",
}
OKTA = {
    "token_type": "Bearer",
    "expires_in": 3600,
    "access_token": "eyJ.okta.token",
    "scope": "offline_access wiki",
    "refresh_token": "okta-refresh",
}
ENTRA = {
    "token_type": "Bearer",
    "scope": "api://wiki/Pages.Read api://wiki/.default",
    "expires_in": 4799,
    "ext_expires_in": 4799,
    "access_token": "eyJ.entra.token",
    "refresh_token": "0.AX8A-entra",
}
ENTRA_V1 = {
    "token_type": "Bearer",
    "scope": "user_impersonation",
    "expires_in": "3599",
    "ext_expires_in": "3599",
    "expires_on": "1800003599",
    "not_before": "1799999999",
    "resource": "api://wiki",
    "access_token": "eyJ.entra-v1.token",
    "refresh_token": "AwABAAAA-entra-v1",
}
GOOGLE_FIRST = {
    "access_token": "ya29.google",
    "expires_in": 3599,
    "refresh_token": "1//google",
    "scope": "https://www.googleapis.com/auth/drive.readonly openid",
    "token_type": "Bearer",
}
#: The second consent of the same person brings no refresh token.
GOOGLE_AGAIN = {
    "access_token": "ya29.google-again",
    "expires_in": 3599,
    "scope": "https://www.googleapis.com/auth/drive.readonly openid",
    "token_type": "Bearer",
}
KEYCLOAK_OFFLINE = {
    "access_token": "eyJ.keycloak.token",
    "expires_in": 300,
    "refresh_expires_in": 0,
    "refresh_token": "eyJ.keycloak.refresh",
    "token_type": "Bearer",
    "not-before-policy": 0,
    "session_state": "7d2f1d9c-1b1e-4a6e-9f57-0b7d9c0d3a11",
    "scope": "wiki offline_access",
}

#: Answer, its lifetime in seconds, whether it can be refreshed.
SHAPES = {
    "auth0": (AUTH0, 86400.0, True),
    "okta": (OKTA, 3600.0, True),
    "entra": (ENTRA, 4799.0, True),
    "entra v1": (ENTRA_V1, 3599.0, True),
    "google, first consent": (GOOGLE_FIRST, 3599.0, True),
    "google, second consent": (GOOGLE_AGAIN, 3599.0, False),
    "keycloak, offline": (KEYCLOAK_OFFLINE, 300.0, True),
}

#: Status, answer, and the error code in it: what a revoked refresh token gets.
REVOKED: Mapping[str, tuple[int, Mapping[str, object], str]] = {
    "auth0": (
        403,
        {
            "error": "invalid_grant",
            "error_description": "Unknown or invalid refresh token.",
        },
        "invalid_grant",
    ),
    "okta": (
        400,
        {
            "error": "invalid_grant",
            "error_description": "The refresh token is invalid or expired.",
        },
        "invalid_grant",
    ),
    "okta, unknown client": (
        401,
        {
            "errorCode": "invalid_client",
            "errorSummary": "Invalid value for 'client_id' parameter.",
            "errorLink": "invalid_client",
            "errorId": "oae1",
            "errorCauses": [],
        },
        "invalid_client",
    ),
    "entra": (
        400,
        {
            "error": "invalid_grant",
            "error_description": "AADSTS700082: The refresh token has expired.",
            "error_codes": [700082],
            "timestamp": "2026-11-22 10:00:00Z",
            "trace_id": "255d1aef",
            "correlation_id": "fb3d2015",
            "suberror": "bad_token",
        },
        "invalid_grant",
    ),
    "entra, second factor": (
        400,
        {
            "error": "interaction_required",
            "error_description": "AADSTS50076: use multi-factor authentication",
            "suberror": "basic_action",
        },
        "interaction_required",
    ),
    "google": (
        400,
        {
            "error": "invalid_grant",
            "error_description": "Token has been expired or revoked.",
        },
        "invalid_grant",
    ),
    "keycloak": (
        400,
        {"error": "invalid_grant", "error_description": "Token is not active"},
        "invalid_grant",
    ),
}
