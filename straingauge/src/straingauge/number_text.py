"""Numbers, units and amounts as text, the same everywhere: three digits, thousands separated."""


def number(value: float | None, unit: str = "") -> str:
    """Format a measured value with three significant digits, such as 1,234, 56.8 and 0.123.

    Args:
        value: The value; None becomes "-".
        unit: Appended after a space, such as "ms".
    """
    if value is None:
        return "-"
    size = abs(value)
    if 0 < size < 1:
        text = _small(value)
    else:
        text = f"{value:,.{0 if size >= 99.95 or not size else 1 if size >= 9.995 else 2}f}"
    return f"{text} {unit}" if unit else text


def plain(value: float, digits: int = 6) -> str:
    """Format a number with significant digits, without an exponent and zeros at its end.

    For example 0.0123, 812 and 14,260.

    Args:
        value: The number.
        digits: Significant digits of numbers below 1,000; larger ones are whole.
    """
    if abs(value) >= 1000:
        return f"{value:,.0f}"
    text = f"{value:.{digits}g}"
    if "e" not in text:
        return text
    return f"{float(text):,.0f}" if abs(value) >= 1 else _small(float(text)).rstrip("0")


def beside(value: float, limit: float) -> str:
    """Format a value with three digits, or as many as show that it is not its limit."""
    texts = [plain(value, digits) for digits in range(3, 7)]
    return next((text for text in texts if value == limit or text != plain(limit)), texts[0])


def rate(per_second: float) -> str:
    """Format a number of events per second, such as "1,234/s" or "8.35/s"."""
    return f"{number(per_second)}/s"


def percent(value: float, digits: int | None = None) -> str:
    """Format a percentage, such as "0.50%".

    Args:
        value: The percentage.
        digits: Digits after the point; default: three significant ones, but 0.50% and 0.00%.
    """
    if digits is None and (not value or 0.1 <= abs(value) < 1):
        digits = 2
    return f"{number(value)}%" if digits is None else f"{value:.{digits}f}%"


def share(fraction: float) -> str:
    """Format a fraction of 1 as a whole percentage, such as "12%"."""
    return percent(100 * fraction, 0)


def signed(value: float) -> str:
    """Format a change with its sign."""
    return f"{value:+,.0f}" if abs(value) >= 100 else f"{value:+.1f}"


def count(amount: float, noun: str, plural: str | None = None) -> str:
    """Format a number of things, such as "1 run" or "2 runs".

    Args:
        amount: The whole number; a mean is rounded.
        noun: The word for one, perhaps with its verb, such as "row is".
        plural: The words for several; default: the noun with an s.
    """
    whole = round(amount)
    return f"{whole:,} {noun if whole == 1 else plural or f'{noun}s'}"


def were(amount: float) -> str:
    """Return "was" after one of several things, and "were" after more of them."""
    return "was" if round(amount) == 1 else "were"


def _small(value: float) -> str:
    """Format a number between -1 and 1 with three significant digits and without an exponent."""
    digits, exponent = f"{value:.2e}".split("e")
    return f"{float(digits + 'e' + exponent):.{2 - int(exponent)}f}"
