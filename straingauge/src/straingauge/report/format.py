"""Numbers and units as text, the same in every report."""


def number(value: float | None, unit: str = "") -> str:
    """Format a measured value with three significant digits.

    Args:
        value: The value; None becomes "-".
        unit: Appended after a space, such as "ms".
    """
    if value is None:
        return "-"
    size = abs(value)
    if 0 < size < 0.1:
        text = f"{value:.2g}"
    else:
        text = f"{value:,.{0 if size >= 100 or not size else 1 if size >= 10 else 2}f}"
    return f"{text} {unit}" if unit else text


def rate(per_second: float) -> str:
    """Format a number of events per second, such as "1,234/s" or "8.35/s"."""
    return f"{number(per_second)}/s"


def percent(value: float, digits: int = 2) -> str:
    """Format a percentage, such as "0.50%"."""
    return f"{value:.{digits}f}%"


def share(fraction: float) -> str:
    """Format a fraction of 1 as a whole percentage, such as "12%"."""
    return percent(100 * fraction, 0)


def signed(value: float) -> str:
    """Format a change with its sign."""
    return f"{value:+,.0f}" if abs(value) >= 100 else f"{value:+.1f}"


def count(amount: int, noun: str, plural: str | None = None) -> str:
    """Format a number of things, such as "1 run" or "2 runs"."""
    return f"{amount:,} {noun if amount == 1 else plural or f'{noun}s'}"
