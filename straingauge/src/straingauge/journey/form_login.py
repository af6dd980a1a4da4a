"""Log-in by an HTML form, with a token against CSRF and a session cookie."""

from collections.abc import Generator, Mapping
from typing import Final

from straingauge.errors import TargetError
from straingauge.http import Check, ErrorKind, RequestFailed, Response
from straingauge.journey.form import alerts_of, form_request, has_form
from straingauge.journey.step import Step
from straingauge.journey.user import User

_REFUSED_TOKEN: Final = frozenset({403, 419, 422})  # Django and Spring, Laravel, Rails


def log_in_by_form(
    user: User,
    path: str,
    fields: Mapping[str, str],
    *,
    form_name: str | None = None,
    check: Check | None = None,
) -> Generator[Step, Response, Response]:
    """Log a user in by a form, as a part of a journey.

        def log_in(user):
            account = {"username": user.data["name"], "password": user.data["password"]}
            yield from log_in_by_form(user, "/accounts/login/", account)

    It reads the page, fills in the form, sends it with all hidden fields, and follows redirects.
    The session is in the cookies of the user from then on.

    Args:
        user: the user.
        path: path of the page with the form.
        fields: values by the names of the form's fields.
        form_name: id or name of the form; by default the first one with all these fields.
        check: checks the page after the log-in, as in `User.request`.

    Returns:
        The page after the log-in.

    Raises:
        TargetError: the page has no such form, its token against CSRF was refused, the form came
            back, or `check` found something wrong.
        RequestFailed: another request failed.
    """
    page = yield user.get(path, follow_redirects=True)
    request = form_request(user, page, fields, form_name=form_name, follow_redirects=True)
    refused = ", ".join(user.cookies.refused) if user.has_cookies else ""
    hint = f"cookies that were not kept: {refused}" if refused else "check the account of the load"
    try:
        answer = yield request
    except RequestFailed as failure:
        status = failure.response.status if failure.response is not None else 0
        if failure.kind is ErrorKind.BAD_STATUS and status in _REFUSED_TOKEN:
            raise TargetError(
                f"{request.name}: status {status}, as for a wrong token against CSRF or a refused"
                f" account: {failure.detail}",
                hint=hint,
            ) from failure
        raise
    if has_form(answer, fields):
        said = alerts_of(answer)
        raise TargetError(
            f"{request.name}: the log-in form came back{f': {said}' if said else ''}", hint=hint
        )
    if check is not None and (wrong := check(answer)) is not None:
        raise TargetError(f"{request.name}: not logged in: {wrong}", hint=hint)
    return answer
