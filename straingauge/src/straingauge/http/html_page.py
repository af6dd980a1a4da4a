"""The parts of an HTML page that a log-in needs: its forms, meta tags and error messages."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Final

_MAX_CHARACTERS: Final = 2_000_000  # of a page, far more than that of a log-in
_MAX_ALERT: Final = 200
_BUTTONS: Final = frozenset({"submit", "image"})
_NEVER_SENT: Final = frozenset({"button", "reset", "file"})
_VOID: Final = frozenset(
    {"area", "br", "col", "embed", "hr", "img", "input", "link", "meta", "wbr"}
)
_ALERT_CLASSES: Final = ("error", "alert", "danger", "invalid")


@dataclass(slots=True)
class Form:
    """A form, as a browser would send it.

    Attributes:
        action: URL that it is sent to, as written; empty for that of its page.
        method: "GET" or "POST".
        encoding: media type of its body.
        label: its id or name; empty without one.
        fields: names and values, in order; those of its first button with a name come last.
        passwords: names of its fields for passwords.
    """

    action: str = ""
    method: str = "GET"
    encoding: str = "application/x-www-form-urlencoded"
    label: str = ""
    fields: list[tuple[str, str]] = field(default_factory=list)
    passwords: list[str] = field(default_factory=list)

    @property
    def names(self) -> list[str]:
        """Names of its fields, each once."""
        return list(dict.fromkeys(name for name, _ in self.fields))

    def filled(self, values: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
        """Return the fields with other values for some names."""
        given = {name for name, _ in values}
        return [*(each for each in self.fields if each[0] not in given), *values]


@dataclass(slots=True)
class Page:
    """A page.

    Attributes:
        forms: its forms.
        meta: contents of its meta tags, by name.
        base: its `<base href>`; empty without one.
        alerts: texts that are marked as errors.
    """

    forms: list[Form] = field(default_factory=list)
    meta: dict[str, str] = field(default_factory=dict)
    base: str = ""
    alerts: list[str] = field(default_factory=list)


def parse_page(text: str) -> Page:
    """Parse an HTML page; what is no HTML has no forms."""
    reader = _Reader()
    reader.feed(text[:_MAX_CHARACTERS])
    reader.close()
    reader.end()
    reader.end_alert()
    return reader.page


class _Reader(HTMLParser):
    """Collects the parts of a page as the parser meets them."""

    def __init__(self) -> None:
        super().__init__()
        self.page = Page()
        self._form: Form | None = None
        self._by_id: dict[str, Form] = {}
        self._button: tuple[str, str] | None = None
        self._text_field: tuple[Form, str] | None = None  # a textarea that is open
        self._select: tuple[Form, str] | None = None
        self._options: list[tuple[str, bool]] = []
        self._text: list[str] = []
        self._alert_depth = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if self._alert_depth:
            self._alert_depth += tag not in _VOID
        elif _is_alert(given) and tag not in _VOID:
            self._alert_depth, self._text = 1, []
        if tag == "form":
            self._begin_form(given)
        elif tag == "meta" and given.get("name"):
            self.page.meta.setdefault(given["name"].lower(), given.get("content", ""))
        elif tag == "base":
            self.page.base = self.page.base or given.get("href", "")
        elif tag in {"input", "button", "textarea", "select"}:
            form = self._by_id.get(given.get("form", "")) or self._form
            if form is not None and given.get("name") and "disabled" not in given:
                self._add_field(form, tag, given)
        elif tag == "option" and self._select is not None:
            self._options.append((given.get("value", ""), "selected" in given))

    def handle_endtag(self, tag: str) -> None:
        if self._alert_depth and tag not in _VOID:
            self._alert_depth -= 1
            if not self._alert_depth:
                self.end_alert()
        if tag == "form":
            self.end()
        elif tag == "textarea" and self._text_field is not None:
            form, name = self._text_field
            form.fields.append((name, "".join(self._text).removeprefix("\n")))
            self._text_field = None
        elif tag == "select" and self._select is not None:
            self._end_select(*self._select)

    def handle_data(self, data: str) -> None:
        if self._alert_depth or self._text_field is not None:
            self._text.append(data)

    def end(self) -> None:
        """End the form that is open."""
        if self._form is not None and self._button is not None:
            self._form.fields.append(self._button)
        self._form = self._button = None

    def end_alert(self) -> None:
        """End the error message that is open."""
        if (text := " ".join("".join(self._text).split())) and self._text_field is None:
            self.page.alerts.append(text[:_MAX_ALERT])
        self._alert_depth, self._text = 0, []

    def _begin_form(self, given: dict[str, str]) -> None:
        self.end()
        form = self._form = Form(action=given.get("action", "").strip())
        form.method = "POST" if given.get("method", "").lower() == "post" else "GET"
        form.encoding = given.get("enctype", "").lower() or form.encoding
        form.label = given.get("id") or given.get("name", "")
        if given.get("id"):
            self._by_id[given["id"]] = form
        self.page.forms.append(form)

    def _add_field(self, form: Form, tag: str, given: dict[str, str]) -> None:
        name, value = given["name"], given.get("value", "")
        kind = given.get("type", "submit" if tag == "button" else "text").lower()
        if tag == "textarea":
            self._text_field, self._text = (form, name), []
        elif tag == "select":
            self._select, self._options = (form, name), []
        elif kind in _BUTTONS:
            if form is self._form:
                self._button = self._button or (name, value)
        elif kind in {"checkbox", "radio"}:
            if "checked" in given:
                form.fields.append((name, given.get("value", "on")))
        elif kind not in _NEVER_SENT:
            form.fields.append((name, value))
            if kind == "password":
                form.passwords.append(name)

    def _end_select(self, form: Form, name: str) -> None:
        chosen = [value for value, selected in self._options if selected]
        values = chosen or [value for value, _ in self._options[:1]]
        form.fields += [(name, value) for value in values]
        self._select = None


def _is_alert(given: dict[str, str]) -> bool:
    classes = given.get("class", "").lower()
    return given.get("role") == "alert" or any(each in classes for each in _ALERT_CLASSES)
