"""A person with a browser, without scripts: reads pages, fills in forms, presses buttons."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Any

from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

VOID_INPUTS = ("checkbox", "radio")


@dataclass
class Form:
    """A form as the page has it. ``buttons`` are (text, name, value, action)."""

    action: str
    method: str
    fields: list[tuple[str, str]] = field(default_factory=list)
    buttons: list[tuple[str, str, str, str]] = field(default_factory=list)

    def values(self, name: str) -> list[str]:
        return [value for key, value in self.fields if key == name]

    def value(self, name: str) -> str:
        (only,) = self.values(name)
        return only


class _Parser(HTMLParser):
    """Forms, visible text and links of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.forms: list[Form] = []
        self.text: list[str] = []
        self.links: list[str] = []
        self.tags: list[tuple[str, dict[str, str]]] = []
        self.named: dict[str, Form] = {}
        self._select = ""
        self._chosen: str | None = None
        self._option = False
        self._textarea: tuple[str, list[str]] | None = None
        self._button: list[str] | None = None
        self._button_attributes: dict[str, str] = {}

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = {name: value or "" for name, value in attrs}
        self.tags.append((tag, found))
        if tag == "form":
            self.forms.append(Form(found.get("action", ""), found.get("method", "get")))
            self.named[found.get("id", "")] = self.forms[-1]
        elif tag == "a":
            self.links.append(found.get("href", ""))
        elif tag == "input" and self.forms and found.get("name"):
            self._input(found)
        elif tag == "textarea":
            self._textarea = found.get("name", ""), []
        elif tag == "select":
            self._select, self._chosen = found.get("name", ""), None
        elif tag == "option" and self._select:
            self._option = "value" not in found
            if "selected" in found or self._chosen is None:
                self._chosen = found.get("value", "")
                self._option = "value" not in found
            else:
                self._option = False
        elif tag == "button":
            self._button, self._button_attributes = [], found

    def _input(self, found: dict[str, str]) -> None:
        kind = found.get("type", "text")
        if kind in VOID_INPUTS and "checked" not in found:
            return
        self._form_of(found).fields.append((found["name"], found.get("value", "")))

    def _form_of(self, found: dict[str, str]) -> Form:
        """The form it says it belongs to, or the one it stands in."""
        return self.named[found["form"]] if "form" in found else self.forms[-1]

    def handle_data(self, data: str) -> None:
        self.text.append(data)
        if self._textarea is not None:
            self._textarea[1].append(data)
        if self._button is not None:
            self._button.append(data)
        if self._option and data.strip():
            self._chosen, self._option = data.strip(), False

    def handle_endtag(self, tag: str) -> None:
        if tag == "select" and self._select:
            self.forms[-1].fields.append((self._select, self._chosen or ""))
            self._select = ""
        elif tag == "textarea" and self._textarea is not None:
            name, parts = self._textarea
            # As browsers do: the newline behind the tag is none, the others are sent as CR LF.
            typed = "".join(parts).removeprefix("\n").replace("\n", "\r\n")
            self.forms[-1].fields.append((name, typed))
            self._textarea = None
        elif tag == "button" and self._button is not None:
            found, text = self._button_attributes, " ".join("".join(self._button).split())
            if self.forms and found.get("type") == "submit" and "disabled" not in found:
                form = self._form_of(found)
                action = found.get("formaction", form.action)
                name, value = found.get("name", ""), found.get("value", "")
                form.buttons.append((text, name, value, action))
            self._button = None


class Page:
    """An answer of the web page."""

    def __init__(self, response: TestResponse) -> None:
        self.response = response
        self.status = response.status_code
        # A download need not be text.
        self.html = response.get_data().decode("utf-8", "replace")
        # As every server does.
        response.close()
        parser = _Parser()
        parser.feed(self.html)
        self.forms, self.links, self.tags = parser.forms, parser.links, parser.tags
        self.text = " ".join("".join(parser.text).split())

    def form(self, action: str) -> Form:
        """The one form that goes to ``action``."""
        (only,) = [form for form in self.forms if form.action == action]
        return only

    def row_form(self, action: str) -> Form:
        """The form of a whole list, with just the button that goes to ``action``."""
        (found,) = [f for f in self.forms if action in (button[3] for button in f.buttons)]
        buttons = [button for button in found.buttons if button[3] == action]
        return Form(action, found.method, found.fields, buttons)

    def main_form(self) -> Form:
        """The form with the most fields."""
        return max(self.forms, key=lambda form: len(form.fields))

    @property
    def staged(self) -> int:
        """What the badge "Unsaved Changes: N" says."""
        match = re.search(r"Unsaved Changes: (\d+)", self.text)
        return int(match[1]) if match else 0


class Visitor:
    """A browser session."""

    def __init__(self, app: Flask, password: str) -> None:
        self.client: FlaskClient = app.test_client()
        self.password = password
        self.keeps = True
        """Whether it confirms what was applied, as a browser with scripts does by itself."""

    def get(self, path: str, **more: Any) -> Page:
        """Open a page, following redirects."""
        return Page(self.client.get(path, follow_redirects=True, **more))

    def post(self, path: str, data: Any, **more: Any) -> Page:
        """Send a form, following redirects."""
        return Page(self.client.post(path, data=data, follow_redirects=True, **more))

    def log_in(self, password: str | None = None) -> Page:
        """Fill in the login form."""
        page = self.get("/login")
        return self.press(page.form("/login"), "Log in", password=password or self.password)

    def press(self, form: Form, button: str, **typed: str | list[str]) -> Page:
        """Fill in fields and press a button: what it sends is what a browser would send.

        A field set to [] is left out, as an unticked box is.
        """
        (text, name, value, action), *_ = [b for b in form.buttons if b[0] == button]
        assert text == button
        fields = [(key, old) for key, old in form.fields if key not in typed]
        for key, new in typed.items():
            fields += [(key, item) for item in ([new] if isinstance(new, str) else new)]
        if name:
            fields.append((name, value))
        data: dict[str, list[str]] = {}
        for key, item in fields:
            data.setdefault(key, []).append(item)
        page = self.post(action, data)
        waiting = [form for form in page.forms if form.action == "/changes/keep"]
        if self.keeps and any(text == "Keep" for form in waiting for text, *_ in form.buttons):
            return self.press(waiting[0], "Keep")
        return page
