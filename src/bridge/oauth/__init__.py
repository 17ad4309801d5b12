"""An OAuth 2 client that never touches a socket: requests out, responses in.

What talks to a server is a generator (`bridge.oauth.http.Steps`): it yields requests,
is sent replies, and returns its result or raises an `OAuthError`.
"""
