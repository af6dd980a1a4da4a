"""Numbers as text without an exponent."""


def plain(value: float, digits: int = 6) -> str:
    """Format a number with significant digits: 0.0123, 812 and 14,260, never 1.426e+04.

    Args:
        value: The number.
        digits: Significant digits of numbers below 1,000; larger ones are whole.
    """
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.{digits}g}"
