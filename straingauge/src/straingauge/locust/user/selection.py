"""What a run was asked for: which user classes, which shape."""

from typing import Any

from locust.env import Environment
from locust.user.users import User as LocustUser

from straingauge.errors import UsageError


def selected_classes(environment: Environment) -> list[type[LocustUser]]:
    """The user classes of this run: those with a task left after --tags and --exclude-tags.

    One that joins only when asked for (`JourneyUser.only_when_asked`) is asked for by its name, or
    by one of its tasks' tags.

    Raises:
        UsageError: There is none.
    """
    options = environment.parsed_options
    assert options is not None
    wanted, unwanted = set(options.tags or ()), set(options.exclude_tags or ())
    named = set(options.user_classes or ())
    chosen = []
    for each in environment.user_classes:
        tags: list[set[str]] = [getattr(task, "locust_tag_set", set()) for task in each.tasks]
        left = [own for own in tags if not own & unwanted and (not wanted or own & wanted)]
        shy = getattr(each, "only_when_asked", False) and not options.class_picker
        if left and (not shy or wanted or each.__name__ in named):
            chosen.append(each)
    if not chosen:
        known = {
            tag
            for each in environment.user_classes
            for task in each.tasks
            for tag in getattr(task, "locust_tag_set", ())
        }
        raise UsageError(
            f"no task is left for --tags {' '.join(sorted(wanted))}",
            hint=f"known tags: {', '.join(sorted(known))}",
        )
    return chosen


def shape_of(environment: Environment) -> dict[str, Any] | None:
    """The shape of a run as its result has it, where it is one of straingauge's own."""
    shape: dict[str, Any] | None = getattr(environment.shape_class, "configuration", None)
    return shape
