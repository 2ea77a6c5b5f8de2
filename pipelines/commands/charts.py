"""Charts: bars of pounds, side by side for each label, as SVG.

Belongs here: drawing. Does not belong here: what is drawn, or any amount.
"""

from collections.abc import Sequence
from html import escape
from textwrap import shorten, wrap

BAR_HEIGHT, BAR_GAP, GROUP_GAP = 18, 3, 16
BARS_WIDTH, AMOUNT_WIDTH, MARGIN, CHARACTER_WIDTH = 460, 150, 20, 8
HEAD_HEIGHT, TITLE_LINE, LONGEST_LABEL = 62, 20, 40
FONT = "system-ui, -apple-system, 'Segoe UI', Helvetica, Arial, sans-serif"
INK, QUIET = "#212b32", "#4c6272"
COLOURS = ("#005eb8", "#00a499", "#ae2573")
"""NHS identity colours, one to a series in order."""

Bars = Sequence[tuple[str, Sequence[int | None]]]
"""A label, and the pence of each series; None where the series has nothing of it."""


def bars(title: str, series: Sequence[str], of: Bars, nothing: str) -> str:
    """Horizontal bars, those of a label together; `nothing` is written where there is no amount.

    At most as many series as there are `COLOURS`, and no amount below zero.
    """
    longest = max((size for _, amounts in of for size in amounts if size), default=1)
    group = len(series) * (BAR_HEIGHT + BAR_GAP) + GROUP_GAP
    longest_label = max((len(label) for label, _ in of), default=0)
    left = MARGIN + CHARACTER_WIDTH * min(longest_label, LONGEST_LABEL)
    width = MARGIN + left + BARS_WIDTH + AMOUNT_WIDTH
    lines = wrap(title, (width - 2 * MARGIN) // CHARACTER_WIDTH)
    head = HEAD_HEIGHT + TITLE_LINE * (len(lines) - 1)
    height = head + len(of) * group + MARGIN
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
        f'viewBox="0 0 {width} {height}" role="img" aria-labelledby="title" '
        f'font-family="{FONT}">',
        f'<title id="title">{escape(title)}</title>',
        f'<rect width="{width}" height="{height}" fill="#ffffff"/>',
        *(
            _text(MARGIN, 26 + TITLE_LINE * place, line, 14, INK, "600")
            for place, line in enumerate(lines)
        ),
        *_legend(series, head - HEAD_HEIGHT),
    ]
    for place, (label, amounts) in enumerate(of):
        top = head + place * group
        middle = top + (group - GROUP_GAP) // 2 + 4
        shown = shorten(label, LONGEST_LABEL, placeholder="…")
        parts.append(_text(left - 10, middle, shown, 13, INK, anchor="end"))
        for number, pence in enumerate(amounts):
            y = top + number * (BAR_HEIGHT + BAR_GAP)
            parts += _bar(left, y, pence, longest, COLOURS[number], nothing)
    return "\n".join([*parts, "</svg>", ""])


def _legend(series: Sequence[str], down: int) -> list[str]:
    parts, x = [], MARGIN
    for name, colour in zip(series, COLOURS, strict=False):
        parts.append(f'<rect x="{x}" y="{38 + down}" width="12" height="12" fill="{colour}"/>')
        parts.append(_text(x + 18, 48 + down, name, 12, QUIET))
        x += 34 + CHARACTER_WIDTH * len(name)
    return parts


def _bar(x: int, y: int, pence: int | None, longest: int, colour: str, nothing: str) -> list[str]:
    baseline = y + BAR_HEIGHT - 5
    if pence is None:
        return [_text(x + 6, baseline, nothing, 11, QUIET)]
    length = max(pence * BARS_WIDTH // longest, 1 if pence else 0)
    return [
        f'<rect x="{x}" y="{y}" width="{length}" height="{BAR_HEIGHT}" fill="{colour}"/>',
        _text(x + length + 6, baseline, f"£{pence // 100:,}", 11, QUIET),
    ]


def _text(
    x: int, y: int, text: str, size: int, colour: str, weight: str = "400", anchor: str = "start"
) -> str:
    return (
        f'<text x="{x}" y="{y}" font-size="{size}" font-weight="{weight}" '
        f'text-anchor="{anchor}" fill="{colour}">{escape(text)}</text>'
    )
