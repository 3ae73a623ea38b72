"""What a provider's error means: may it pass, how long to wait, and how to mend what does not."""

import errno
import socket
import ssl
from collections.abc import Iterator
from typing import Any

from fast_agent.core.exceptions import ProviderKeyError

# HTTP statuses that waiting does not change.
_FINAL = (400, 401, 402, 403, 404, 405, 422)
_TOO_MANY = 429  # requests; or, with one of these words, no credit
_OUT_OF_CREDIT = ("insufficient_quota", "exceeded_current_quota")
_LONGEST_WAIT = 600.0  # seconds that a provider may ask for with retry-after
_LONGEST_LINE = 300  # characters
_NO_WAY = (errno.ENETUNREACH, errno.EHOSTUNREACH)

_CREDIT = "the account has no credit left: add some, or name another model"
_KEY = "set a key of this provider that may use the model"
_ADDRESS = "correct the base URL (most end in /v1) and the model's name (--model)"
_REMEDIES = {401: _KEY, 402: _CREDIT, 403: _KEY, 404: _ADDRESS, 405: _ADDRESS, _TOO_MANY: _CREDIT}


class PageError(Exception):
    """A web page came where a model's answer was due, whatever its status."""

    def __init__(self, response: Any) -> None:
        status = response.status_code
        super().__init__(f"status {status}: a web page in HTML, not the answer of a model's API")
        self.request = response.request


async def refuse_page(response: Any) -> None:
    """A response hook of the providers' HTTP clients, which take any status 200 for an answer.

    Raises:
        PageError: the response is a web page with a status of success.
    """
    kind = response.headers.get("content-type", "")
    if kind.startswith("text/html") and response.is_success:
        raise PageError(response)


def is_final(error: BaseException) -> bool:
    """Whether the provider refuses the call for a reason that waiting does not change."""
    for link in _causes(error):
        if isinstance(link, PageError | ProviderKeyError):
            return True
        if (status := _status(link)) is not None:
            return status in _FINAL or (status == _TOO_MANY and _is_out_of_credit(link))
    return False


def is_unreachable(error: BaseException) -> bool:
    """Whether nothing answers at the address. While a run goes on, that may pass."""
    return _no_way(error) is not None


def retry_after(error: BaseException) -> float:
    """Seconds that the provider asks to wait, 0 if it does not say."""
    headers = getattr(getattr(error, "response", None), "headers", None)
    return 0.0 if headers is None else asked_to_wait(headers)


def asked_to_wait(headers: Any) -> float:
    """Seconds that a response's headers ask to wait, 0 if they do not say."""
    try:
        seconds = float(headers.get("retry-after", 0))
    except ValueError:
        return 0.0  # a date: the usual back-off will do
    return min(max(seconds, 0.0), _LONGEST_WAIT)


def told(error: BaseException) -> str:
    """The error in one line, with URL and status as far as they are known."""
    url = next((found for link in _chain(error) if (found := _url(link))), None)
    page = next((link for link in _chain(error) if isinstance(link, PageError)), None)
    line = one_line(page or _no_way(error) or error)
    status = next((number for link in _chain(error) if (number := _status(link))), None)
    if status is not None and str(status) not in line:
        line = f"status {status}: {line}"
    return f"{url}: {line}" if url else line


def remedy(error: BaseException) -> str:
    """What to do about an error that does not pass."""
    cause = _no_way(error)
    if isinstance(cause, ConnectionRefusedError):
        return "nobody listens there: start the model's server, or correct the base URL"
    if isinstance(cause, socket.gaierror):
        return "the host is not known here: correct the base URL, or see to the network"
    if isinstance(cause, ssl.SSLError):
        return "no secure connection: is it http:// instead of https://, or a proxy?"
    if cause is not None:
        return "there is no way to the host: see to the network"
    for link in _chain(error):
        if isinstance(link, PageError):
            return _ADDRESS
        if isinstance(link, ProviderKeyError):
            return _KEY
        if (status := _status(link)) is not None:
            return _REMEDIES.get(status, "name another model (--model)")
    return "see what the provider says"


def one_line(trouble: object) -> str:
    """A message of bearable length without line breaks."""
    line = " ".join(str(trouble).split()) or type(trouble).__name__
    return line if len(line) <= _LONGEST_LINE else line[: _LONGEST_LINE - 3] + "..."


def _causes(error: BaseException) -> Iterator[BaseException]:
    """The error and what it was made of: fast-agent and the SDKs wrap what they catch."""
    link: BaseException | None = error
    while link is not None:
        yield link
        link = link.__cause__


def _chain(error: BaseException) -> Iterator[BaseException]:
    """Likewise, with what was being handled: some hide the cause. It does not decide."""
    link: BaseException | None = error
    while link is not None:
        yield link
        link = link.__cause__ or link.__context__


def _status(error: BaseException) -> int | None:
    # aiohttp has a code as well, which is of its own making.
    google = type(error).__module__.startswith("google.")
    status = getattr(error, "code" if google else "status_code", None)
    return status if isinstance(status, int) else None


def _is_out_of_credit(error: BaseException) -> bool:
    return any(word in str(error) for word in _OUT_OF_CREDIT)


def _no_way(error: BaseException) -> OSError | None:
    for link in _chain(error):
        if isinstance(link, ConnectionRefusedError | socket.gaierror | ssl.SSLError):
            return link
        if isinstance(link, OSError) and link.errno in _NO_WAY:
            return link
    return None


def _url(error: BaseException) -> str | None:
    try:
        url = getattr(getattr(error, "request", None), "url", None)
    except RuntimeError:  # httpx: there is none
        return None
    if url is None:
        return None
    host = f"[{url.host}]" if ":" in url.host else url.host
    port = f":{url.port}" if url.port else ""
    return f"{url.scheme}://{host}{port}{url.path}"  # neither user nor query: they may hold keys
