"""The signs of a report, drawn: fonts have them in many sizes and colours, or not at all."""

CIRCLE = '<circle cx="8" cy="8" r="6.5" {}/>'
SQUARE = '<rect x="1.5" y="1.5" width="13" height="13" rx="2.5" {}/>'
LINE = '<path d="{}" fill="none" stroke="{}" stroke-width="{}" stroke-linecap="round"/>'
PALE = 'fill="currentColor" fill-opacity=".12" stroke="currentColor" stroke-opacity=".6"'
GREEN, YELLOW, ORANGE, RED, BLUE = "#1a9850", "#e3b341", "#e8710a", "#d73027", "#3b82f6"
STAR = "M8 1l2.1 4.6 5 .6-3.7 3.4 1 4.9L8 12l-4.4 2.5 1-4.9L.9 6.2l5-.6z"
QUESTION = "M5.3 5.6a2.7 2.7 0 1 1 4 2.4c-.9.5-1.3 1-1.3 2M8 13v.1"
# On a ground of 16 by 16, in the colours of both modes; `currentColor` is that of the text.
SHAPES = {
    "🟢": CIRCLE.format(f'fill="{GREEN}"'),
    "🔴": CIRCLE.format(f'fill="{RED}"'),
    "🔵": CIRCLE.format(f'fill="{BLUE}"'),
    "⚪": CIRCLE.format(PALE),
    "🟩": SQUARE.format(f'fill="{GREEN}"'),
    "🟨": SQUARE.format(f'fill="{YELLOW}"'),
    "🟧": SQUARE.format(f'fill="{ORANGE}"'),
    "🟥": SQUARE.format(f'fill="{RED}"'),
    "◻️": SQUARE.format(PALE),
    "❌": LINE.format("M3 3l10 10M13 3L3 13", RED, 3),
    "⚠️": f'<path d="M8 1.5l7 13H1z" fill="{YELLOW}"/>' + LINE.format("M8 6v4M8 12.4v.1", "#000", 2),
    "❔": LINE.format(QUESTION, "currentColor", 2),
    "🆕": SQUARE.format(f'fill="{BLUE}"') + LINE.format("M8 4.5v7M4.5 8h7", "#fff", 2),
    "⭐": f'<path d="{STAR}" fill="{YELLOW}"/>',
}


def draw(html: str) -> str:
    """Put its drawing in the place of each sign; copied or read aloud it is the sign still."""
    for sign, shape in SHAPES.items():
        drawn = (
            f'<svg class="sign" viewBox="0 0 16 16" role="img"><title>{sign}</title>{shape}</svg>'
        )
        html = html.replace(sign, drawn)
    return html
