"""What a low volume activity block comes to, worked out from the guidance with whole numbers.

What belongs here: the sums of 2023/25 ¶83-84, ¶88 and 2026/27 ¶112-114, each year's in its own
words. What does not: which lines count, or the values that are rolled forward.

Factors are millionths and are multiplied as such; only the end is divided, once for each part.
"""

MILLION = 1_000_000
POUND = 100


def to_the_pound(numerator: int, denominator: int) -> int:
    """Pence from a ratio of pence, to the pound, halves up; no value here is below zero."""
    return (2 * numerator + POUND * denominator) // (2 * POUND * denominator) * POUND


def value_2023_24(
    activity: list[int], payments: list[int], net_uplift: int, allocation_growth: int
) -> dict[str, int]:
    """Averages of three years of activity and of finance payments (2023/25 ¶83)."""
    assert len(activity) == len(payments) == 3
    return {
        "acute": to_the_pound(sum(activity) * (MILLION + net_uplift), 3 * MILLION),
        "mental_health_and_community": to_the_pound(
            sum(payments) * (MILLION + allocation_growth), 3 * MILLION
        ),
    }


def value_2024_25(last: int, dental: int, specialised: int, net_uplift: int) -> dict[str, int]:
    """The value of 2023/24 with a year's uplift, dental and delegated services (¶84, ¶88)."""
    return {
        "acute_mental_health_and_community": to_the_pound(last * (MILLION + net_uplift), MILLION),
        "secondary_dental": to_the_pound(dental, 1),
        "specialised": to_the_pound(specialised, 1),
    }


def value_2026_27(
    acute: list[int],
    dental: list[int],
    last_mental_health: int,
    last_specialised: int,
    newly_delegated: int,
    net_uplifts: tuple[int, int],
) -> dict[str, int]:
    """Averages of three years, values of 2024/25, two years' uplifts and 8.5% (¶113-114)."""
    first, second = (MILLION + net for net in net_uplifts)
    growth = MILLION + 85_000
    whole = MILLION * MILLION * MILLION
    both_years = first * second
    return {
        "acute": to_the_pound(sum(acute) * both_years * growth, len(acute) * whole),
        "mental_health_and_community": to_the_pound(
            last_mental_health * both_years * growth, whole
        ),
        "secondary_dental": to_the_pound(sum(dental) * both_years * growth, len(dental) * whole),
        "specialised": to_the_pound(
            (last_specialised * both_years + newly_delegated * MILLION * MILLION) * growth, whole
        ),
    }
