"""Addresses of endpoints and registries: which may be asked at all. Nothing is asked here."""

from __future__ import annotations

import ipaddress
from urllib.parse import SplitResult, urlsplit

from audit.errors import CaseError

PEOPLE = ("$rows", "$values", "$row")
"""What stands in a template where the people go: a list of objects, a list of lists, one object."""
PLACES = (*PEOPLE, "$columns")
WEB, GRPC = ("https", "http"), ("grpcs", "grpc")
"""Schemes of addresses, the encrypted one first."""
PORTS = {"https": 443, "http": 80, "grpcs": 443, "grpc": 80}
_PLAIN = ("http", "grpc")


def check_address(url: str, schemes: tuple[str, ...], plain: bool, where: str) -> SplitResult:
    """The parts of an address that may be asked. A name is resolved, and looked at again, when it is asked.

    Raises CaseError for another scheme, user information, a query, and unencrypted traffic to another machine.
    """

    def wrong(got: str, todo: str) -> CaseError:
        return CaseError(
            f"the address in {where} cannot be used",
            got=got,
            expected=f"an address such as {schemes[0]}://host:port/path",
            todo=todo,
        )

    if not url.isascii() or any(c.isspace() or not c.isprintable() for c in url):
        raise wrong("blanks, or letters that need an escape", "write it without")
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise wrong("no address", "correct it") from error
    if parts.scheme not in schemes:
        raise wrong(
            f"it begins with {parts.scheme[:20] or url[:20]!r}",
            "begin it with " + " or ".join(f"{s}://" for s in schemes),
        )
    if parts.username is not None or parts.password is not None:
        raise wrong(
            "a user or a password in it, which is not shown here",
            "take it out; a token goes into a variable that token_env names",
        )
    if not host:
        raise wrong("no host", "name the host")
    if parts.query or parts.fragment:
        raise wrong("something behind ? or #", "take it out: what is asked is in the record, and keys must not be")
    if port == 0:
        raise wrong("port 0", "name the port")
    if parts.scheme in _PLAIN and not plain and not _loopback(host):
        raise CaseError(
            f"people's data would go to {host} unencrypted",
            got=f"{parts.scheme}:// to another machine",
            expected=f"{schemes[0]}://; unencrypted only to this machine (127.0.0.1, localhost)",
            todo=f"use {schemes[0]}://, or write plain_text = true beside it if the way there is protected otherwise",
        )
    return parts


def _loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def place_of(url: str) -> str:
    """ "host:port" of an address, as `send_to` names it."""
    parts = urlsplit(url)
    host = str(parts.hostname)
    return f"{f'[{host}]' if ':' in host else host}:{parts.port or PORTS[parts.scheme]}"
