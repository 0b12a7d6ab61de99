"""What the network of this machine asks of every connection: proxies, certificates, and the words for what went wrong.

Called by `http.transport` and `storage.web`, which each make their own connections.
"""

from __future__ import annotations

import ssl
import urllib.request
from ipaddress import ip_address
from urllib.parse import urlsplit

import certifi
from urllib3.exceptions import ProxyError, SSLError


def trusted_authorities() -> ssl.SSLContext:
    """The system's authorities and those of certifi: one of the two is missing on some machines."""
    certificates = ssl.create_default_context()
    certificates.load_verify_locations(certifi.where())
    return certificates


def proxy_for(url: str) -> str:
    """The proxy that the environment names for this URL, or nothing. This machine itself is never asked by proxy."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    proxies = urllib.request.getproxies()
    proxy = proxies.get(parts.scheme) or proxies.get("all") or ""
    if not proxy or _is_this_machine(host) or urllib.request.proxy_bypass(parts.netloc.rpartition("@")[2]):
        return ""
    return proxy if "://" in proxy else f"http://{proxy}"


def _is_this_machine(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def certificate_problem(error: BaseException) -> str:
    """What is wrong with the certificate, if that is the matter."""
    if isinstance(error, SSLError | ProxyError) and error.args:
        for inner in error.args:
            if isinstance(inner, BaseException) and (found := certificate_problem(inner)):
                return found
    return error.verify_message if isinstance(error, ssl.SSLCertVerificationError) else ""


def reason_of(error: BaseException) -> str:
    """The innermost reason, in the words of the operating system."""
    inner = next((each for each in reversed(error.args) if isinstance(each, BaseException)), None)
    if inner is not None:
        return reason_of(inner)
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return str(error).rpartition(": ")[2] or type(error).__name__
