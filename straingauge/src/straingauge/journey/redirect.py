"""Redirects in journeys: followed within the target, and to other hosts where load may go."""

from collections.abc import Callable
from dataclasses import replace

from straingauge.errors import TargetError, UsageError
from straingauge.http import ErrorKind, Request, RequestFailed, Response
from straingauge.http.headers import combine
from straingauge.http.redirects import path_pattern, redirect_of
from straingauge.http.site import Site
from straingauge.journey.user import User


def follow_up(
    user: User,
    response: Response,
    failure: RequestFailed,
    site: Site,
    find: Callable[[str], object],
) -> tuple[Request | None, RequestFailed | None]:
    """Return the request that follows a redirect, or the failure to count.

    Another host receives no credential of the user, and none of its headers that may be one. A
    redirect from there back to the target is a request of the user again, with its headers.

    Args:
        user: the user who sent the request.
        response: a response with a status that its request does not expect.
        failure: what is wrong with it, if it is not followed.
        site: where its request was sent.
        find: finds the way to another origin; raises UsageError if load must not go there, and
            TargetError if there is none.

    Returns:
        The next request and None; or None and the failure, of kind "redirect" for a redirect that
        cannot be followed.
    """
    if not response.request.follow_redirects:
        return None, failure
    try:
        redirect = redirect_of(response, site, user.max_redirects)
    except RequestFailed as refusal:
        return None, refusal
    if redirect is None:
        return None, failure
    request, origin = redirect.request, redirect.site.origin
    target = site if user.site is None else user.site
    if origin not in {site.origin, target.origin}:
        try:
            find(origin)
        except (UsageError, TargetError) as error:
            detail = f"redirected from {site.origin} to another origin, {origin}: {error.with_hint}"
            return None, RequestFailed(ErrorKind.REDIRECT, detail, response)
    path = request.target.partition("?")[0]
    if origin != target.origin:
        name = f"{request.method} {origin}{path_pattern(path, '')}"
        return replace(request, name=name, origin=origin), None
    name = f"{request.method} {path_pattern(path, target.base_path)}"
    headers = request.headers
    if site.origin != origin:
        headers = combine(user.headers, headers)
    return replace(request, name=name, origin=None, headers=headers), None
