"""Which requests are ours: host names, origins, and where a redirect may lead."""

from __future__ import annotations

from urllib.parse import urljoin, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fwknop_webui.hosts import host_name, is_allowed, is_local_path, is_same_origin


@pytest.mark.parametrize(
    ("header", "name"),
    [
        ("Router.LAN:8080", "router.lan"),
        ("router.lan.", "router.lan"),
        ("[::1]:8080", "::1"),
        ("127.0.0.1", "127.0.0.1"),
        ("", ""),
        ("a@b", ""),
        ("a/b", ""),
        ("a?b", ""),
        ("host:port", ""),
        ("[::1", ""),
    ],
)
def test_host_header_is_read_like_a_browser_writes_it(header: str, name: str) -> None:
    assert host_name(header) == name


def test_only_known_names_are_served() -> None:
    assert is_allowed("localhost:8080", ())
    assert is_allowed("router.lan", ("router.lan",))
    assert not is_allowed("evil.example", ("router.lan",))
    assert not is_allowed("router.lan.evil.example", ("router.lan",))
    assert not is_allowed("", ("",))


@pytest.mark.parametrize(
    ("origin", "site", "ours"),
    [
        ("http://router.lan:8080", "same-origin", True),
        ("https://router.lan:8080", None, True),
        (None, "same-origin", True),
        (None, None, True),
        ("http://router.lan", None, False),
        ("http://evil.example", None, False),
        ("http://evil.example", "same-origin", False),
        ("null", None, False),
        ("", None, False),
        ("http://[", None, False),
        (None, "cross-site", False),
        (None, "same-site", False),
        (None, "none", False),
        ("http://router.lan:8080", "cross-site", False),
    ],
)
def test_other_sites_forms_are_recognised(origin: str | None, site: str | None, ours: bool) -> None:
    assert is_same_origin("router.lan:8080", origin, site) is ours


@pytest.mark.parametrize("path", ["/", "/clients", "/clients/cfg03ea17?x=1"])
def test_own_pages_may_be_redirected_to(path: str) -> None:
    assert is_local_path(path)
    assert is_local_path("/cgi-bin/fwknop" + path, "/cgi-bin/fwknop")


@pytest.mark.parametrize(
    "path",
    ["", "clients", "//evil.example", "/\\evil.example", "/a//evil", "http://evil.example"],
)
def test_other_places_are_not(path: str) -> None:
    assert not is_local_path(path)


@given(st.text() | st.text(alphabet="/\\.:@abc \t\n%?#"))
def test_no_text_leads_to_another_site(text: str) -> None:
    if is_local_path(text):
        # What browsers do with a Location: backslashes count as slashes.
        joined = urljoin("http://router.lan/login", text.replace("\\", "/"))
        assert urlsplit(joined).netloc == "router.lan"
        assert urlsplit(joined).scheme == "http"
