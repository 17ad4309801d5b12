"""A person at the provider's log-in pages: signs in, agrees, is sent back."""

import re

import httpx

_FORM = re.compile(r'action="([^"]+)"')
_PROMPT = re.compile(r'name="prompt" value="(\w+)"')
_STEPS = 12  # a log-in takes seven; a loop must not last


def sign_in(authorization_url: str, *, name: str = "ada") -> httpx.URL:
    """Where the provider sends the browser in the end; that page is not opened.

    Answers every form with ``name`` and agreement. Cookies live for this one log-in.
    """
    home = httpx.URL(authorization_url).netloc
    with httpx.Client() as browser:
        response = browser.get(authorization_url)
        for _ in range(_STEPS):
            if response.next_request is None:
                response = _agree(browser, response.raise_for_status(), name)
            elif response.next_request.url.netloc != home:
                return response.next_request.url
            else:
                response = browser.send(response.next_request)
    raise AssertionError(f"no end of the log-in after {_STEPS} steps")


def _agree(browser: httpx.Client, page: httpx.Response, name: str) -> httpx.Response:
    action, prompt = _FORM.search(page.text), _PROMPT.search(page.text)
    assert action, page.text
    assert prompt, page.text
    answer = {"prompt": prompt[1], "login": name, "password": "any will do"}
    return browser.post(page.url.join(action[1]), data=answer)
