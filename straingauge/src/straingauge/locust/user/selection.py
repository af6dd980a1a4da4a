"""The user classes and the shape selected for a run."""

from typing import Any

from locust.env import Environment
from locust.user.users import User as LocustUser

from straingauge.errors import UsageError


def select_classes(environment: Environment) -> list[type[LocustUser]]:
    """Return the user classes of this run: those with tasks left after --tags and --exclude-tags.

    An opt-in class (`JourneyUser.opt_in`) takes part only if it is named on the command line, or if
    --tags names the tag of one of its tasks.

    Raises:
        UsageError: No class is left.
    """
    options = environment.parsed_options
    assert options is not None
    included, excluded = set(options.tags or ()), set(options.exclude_tags or ())
    named = set(options.user_classes or ())
    selected = []
    for each in environment.user_classes:
        has_tasks = any(
            not tags & excluded and (not included or tags & included) for tags in _task_tags(each)
        )
        needs_opt_in = getattr(each, "opt_in", False) and not options.class_picker
        if has_tasks and (not needs_opt_in or included or each.__name__ in named):
            selected.append(each)
    if not selected:
        known = {tag for each in environment.user_classes for tag in set().union(*_task_tags(each))}
        raise UsageError(
            f"no task is left for --tags {' '.join(sorted(included))}",
            hint=f"known tags: {', '.join(sorted(known))}",
        )
    return selected


def get_shape_configuration(environment: Environment) -> dict[str, Any] | None:
    """Return the shape as it is in the result file; None if it is not one of straingauge's."""
    shape: dict[str, Any] | None = getattr(environment.shape_class, "configuration", None)
    return shape


def _task_tags(user_class: type[LocustUser]) -> list[set[str]]:
    return [getattr(task, "locust_tag_set", set()) for task in user_class.tasks]
