"""The user classes and the shape selected for a run."""

from typing import Any, TypeAlias

from locust import TaskSet
from locust.env import Environment
from locust.user.task import is_markov_taskset
from locust.user.users import User as LocustUser

from straingauge.errors import UsageError

_TaskHolder: TypeAlias = type[LocustUser] | type[TaskSet]


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
        is_left = any(
            not tags & excluded and (not included or tags & included) for tags in _task_tags(each)
        )
        needs_opt_in = getattr(each, "opt_in", False) and not options.class_picker
        if (is_left or _has_hidden_tasks(each)) and (
            not needs_opt_in or included or each.__name__ in named
        ):
            selected.append(each)
    if not selected:
        raise _no_task_left(environment, included, excluded)
    return selected


def _no_task_left(environment: Environment, included: set[str], excluded: set[str]) -> UsageError:
    if not included and not excluded:
        names = ", ".join(each.__name__ for each in environment.user_classes)
        return UsageError(f"no task to run in {names}", hint="decorate a method with @task")
    given = [
        f"{option} {' '.join(sorted(tags))}"
        for option, tags in (("--tags", included), ("--exclude-tags", excluded))
        if tags
    ]
    known = {tag for each in environment.user_classes for tag in set().union(*_task_tags(each))}
    return UsageError(
        f"no task is left for {' '.join(given)}",
        hint=f"known tags: {', '.join(sorted(known)) or 'none'}",
    )


def get_shape_configuration(environment: Environment) -> dict[str, Any] | None:
    """Return the shape as it is in the result file; None if it is not one of straingauge's."""
    shape: dict[str, Any] | None = getattr(environment.shape_class, "configuration", None)
    return shape


def get_planned_s(environment: Environment) -> float | None:
    """Return the duration of a run by its shape or by --run-time; None if it has none."""
    if shape := get_shape_configuration(environment):
        return float(shape["duration_s"])
    options = environment.parsed_options
    return options.run_time if options is not None else None


def _task_tags(holder: _TaskHolder, above: tuple[_TaskHolder, ...] = ()) -> list[set[str]]:
    """Return the tags of each task of a user class or task set, with those of nested task sets."""
    found: list[set[str]] = []
    for task in holder.tasks:
        if isinstance(task, type) and issubclass(task, TaskSet):
            if task not in above:  # task sets may contain each other
                found += _task_tags(task, (*above, task))
        else:
            found.append(getattr(task, "locust_tag_set", set()))
    return found


def _has_hidden_tasks(holder: _TaskHolder) -> bool:
    """Return whether a class has tasks that Locust does not filter: pytest's, or a Markov chain."""
    return bool(getattr(holder, "functions", None)) or any(
        isinstance(task, type) and is_markov_taskset(task) for task in holder.tasks
    )
