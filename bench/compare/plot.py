"""Plots as SVG, written directly. They bring their own white ground, so that they can be read in the dark too."""

import math
from dataclasses import dataclass
from html import escape

COLOURS = {"transom": "#0b6e4f", "envoy": "#b8336a", "nginx": "#7d8597", "passthrough": "#3a6ea5"}
OTHERS = ["#c58b00", "#6a4c93", "#8a5a44", "#008080"]
FONT = 'font-family="system-ui, sans-serif" font-size="12"'


@dataclass
class Bar:
    """One bar: what it stands for, its length, and what is written behind it."""

    key: str
    label: str
    value: float
    note: str


def colour(key):
    return COLOURS.get(key) or OTHERS[sum(key.encode()) % len(OTHERS)]


def bars(title, groups):
    """Horizontal bars in groups of (title, bars), on one scale from zero."""
    most = max((bar.value for _, group in groups for bar in group), default=1) or 1
    width, left, full, height = 820, 190, 470, 44
    out = []
    for group_title, group in groups:
        out.append(text(10, height + 4, group_title, 'font-weight="600"'))
        height += 12
        for bar in group:
            length = max(1, bar.value / most * full)
            out.append(text(left - 8, height + 12, bar.label, 'text-anchor="end"'))
            out.append(
                f'<rect x="{left}" y="{height}" width="{length:.1f}" height="15" fill="{colour(bar.key)}"/>'
            )
            out.append(text(left + length + 6, height + 12, bar.note))
            height += 19
        height += 20
    return document(width, height, title, out)


@dataclass
class Panel:
    """One diagram of lines: series by key and label, each of points (x, y)."""

    title: str
    x_title: str
    y_title: str
    series: dict
    labels: dict


def lines(title, panels):
    """Panels in two columns; both axes are logarithmic."""
    out = []
    for at, panel in enumerate(panels):
        out += draw(panel, 20 + at % 2 * 430, 44 + at // 2 * 320)
    return document(880, 50 + (len(panels) + 1) // 2 * 320, title, out)


def draw(panel, left, top):
    x0, y0, width, height = left + 60, top + 28, 320, 220
    points = [point for series in panel.series.values() for point in series]
    if not points:
        return []
    x_axis = Axis([x for x, _ in points], x0, x0 + width)
    y_axis = Axis([y for _, y in points], y0 + height, y0)
    out = [
        text(x0, top + 14, panel.title, 'font-weight="600"'),
        text(x0 + width / 2, y0 + height + 36, panel.x_title, 'text-anchor="middle"'),
        text(x0 + 4, y0 + 12, panel.y_title, 'fill="#666"'),
        f'<rect x="{x0}" y="{y0}" width="{width}" height="{height}" fill="none" stroke="#999"/>',
    ]
    for value in x_axis.ticks():
        out.append(text(x_axis.place(value), y0 + height + 16, short(value), 'text-anchor="middle"'))
    for value in y_axis.ticks():
        y = y_axis.place(value)
        out.append(f'<path d="M{x0} {y:.1f}h{width}" stroke="#e2e2e2"/>')
        out.append(text(x0 - 6, y + 4, short(value), 'text-anchor="end"'))
    for at, (key, series) in enumerate(panel.series.items()):
        path = " ".join(f"{x_axis.place(x):.1f},{y_axis.place(y):.1f}" for x, y in series)
        out.append(f'<polyline points="{path}" fill="none" stroke="{colour(key)}" stroke-width="2"/>')
        out += [
            f'<circle cx="{x_axis.place(x):.1f}" cy="{y_axis.place(y):.1f}" r="3" fill="{colour(key)}"/>'
            for x, y in series
        ]
        out.append(text(x0 + at * 82, y0 + height + 54, panel.labels[key], f'fill="{colour(key)}"'))
    return out


class Axis:
    """A logarithmic axis over all values, from the pixel `start` to the pixel `end`."""

    def __init__(self, values, start, end):
        self.low = math.floor(math.log10(min(values)))
        self.high = max(self.low + 1, math.ceil(math.log10(max(values))))
        self.start, self.end = start, end

    def place(self, value):
        return self.start + (math.log10(value) - self.low) / (self.high - self.low) * (self.end - self.start)

    def ticks(self):
        return [10.0**power for power in range(self.low, self.high + 1)]


def short(value):
    """A power of ten as it is read: 10, 1k, 1M."""
    for size, unit in ((1e6, "M"), (1e3, "k")):
        if value >= size:
            return f"{value / size:g}{unit}"
    return f"{value:g}"


def text(x, y, content, more=""):
    return f'<text x="{x:.1f}" y="{y:.1f}" {FONT} {more}>{escape(content)}</text>'


def document(width, height, title, parts):
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height:.0f}" width="{width}" '
        f'height="{height:.0f}" role="img" aria-label="{escape(title)}">'
    )
    ground = f'<rect width="{width}" height="{height:.0f}" fill="#fff"/>'
    return "\n".join([head, ground, text(10, 22, title, 'font-weight="700"'), *parts, "</svg>"]) + "\n"
