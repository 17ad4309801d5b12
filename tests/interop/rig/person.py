"""A person at the provider's log-in pages: signs in, agrees, is sent back."""

import re
from collections.abc import Mapping

import httpx

_FORM = re.compile(r'<form[^>]* action="([^"]+)"')
_INPUT = re.compile(r"<input([^>]*)>")
_NAMED = re.compile(r'(name|value)="([^"]*)"')
_STEPS = 15  # a log-in takes seven, with a device code eleven; a loop must not last


def sign_in(authorization_url: str, *, name: str = "ada") -> httpx.URL:
    """Where the provider sends the browser in the end; that page is not opened.

    Answers every form with ``name`` and agreement. Cookies live for this one log-in.
    """
    with httpx.Client() as browser:
        end = _walk(browser, authorization_url, _answers(name))
    assert isinstance(end, httpx.URL), end.text
    return end


def enter_code(page_url: str, code: str, *, name: str = "ada") -> str:
    """The text of the page a log-in on another device ends with."""
    with httpx.Client() as browser:
        end = _walk(browser, page_url, {**_answers(name), "user_code": code})
    assert isinstance(end, httpx.Response), end
    return end.text


def _answers(name: str) -> dict[str, str]:
    return {"login": name, "password": "any will do"}


def _walk(
    browser: httpx.Client, url: str, answers: Mapping[str, str]
) -> httpx.URL | httpx.Response:
    """The first address elsewhere, or the first page without a form."""
    home = httpx.URL(url).netloc
    response = browser.get(url)
    for _ in range(_STEPS):
        onward = response.next_request
        if onward is not None and onward.url.netloc != home:
            return onward.url
        if onward is not None:
            response = browser.send(onward)
        elif _FORM.search(response.raise_for_status().text):
            response = _submit(browser, response, answers)
        else:
            return response
    raise AssertionError(f"no end of the log-in after {_STEPS} steps")


def _submit(
    browser: httpx.Client, page: httpx.Response, answers: Mapping[str, str]
) -> httpx.Response:
    """Send the form as it is, with ``answers`` where it asks for them."""
    action = _FORM.search(page.text)
    assert action
    fields = [dict(_NAMED.findall(each)) for each in _INPUT.findall(page.text)]
    given = {
        each["name"]: answers.get(each["name"], each.get("value", ""))
        for each in fields
        if "name" in each
    }
    return browser.post(page.url.join(action[1]), data=given)
