// Small line charts. Each line has a colour, a dash pattern, and a legend entry with its value.
import { make, svg } from './dom.js';

const WIDTH = 320, HEIGHT = 120, LEFT = 40, RIGHT = 8, TOP = 8, BOTTOM = 18;

const rounded = (value) => (value >= 100 || value === 0 ? Math.round(value) : Number(value.toPrecision(3)));
const format = (value, unit) => (value === null || value === undefined ? '–' : `${rounded(value)}${unit && ` ${unit}`}`);

// The smallest of 1, 2, 5, 10, 20, ... that is not less than the value.
function axisMaximum(value) {
  const power = 10 ** Math.floor(Math.log10(value || 1));
  return power * ([1, 2, 5].find((step) => step * power >= value) ?? 10);
}

const formatDuration = (seconds) => {
  const whole = Math.round(seconds);
  return whole < 120 ? `${whole} s` : `${Math.floor(whole / 60)} min${whole % 60 ? ` ${whole % 60} s` : ''}`;
};

export class Chart {
  constructor(parent) {
    this.title = make('figcaption');
    this.svg = svg('svg', { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: 'img' });
    this.legend = make('ul', { class: 'legend' });
    this.figure = make('figure', {}, this.title, this.svg, this.legend);
    parent.append(this.figure);
    this.pointer_s = null;
    this.svg.addEventListener('pointermove', (event) => this.movePointer(event));
    this.svg.addEventListener('pointerleave', () => { this.pointer_s = null; this.updateValues(); });
  }

  show({ title, unit, lines }) {
    Object.assign(this, { unit, lines });
    const points = lines.flatMap((line) => line.points);
    this.end_s = Math.max(1, ...points.map(([t_s]) => t_s));
    this.maximum = axisMaximum(Math.max(0, ...points.map(([, value]) => value ?? 0)));
    this.title.textContent = unit ? `${title}, ${unit}` : title;
    this.svg.setAttribute('aria-label', `${title}: ${lines.map((line) => this.describe(line)).join('; ')}`);
    this.cursor = svg('line', { class: 'cursor', y1: TOP, y2: HEIGHT - BOTTOM, visibility: 'hidden' });
    this.svg.replaceChildren(...this.axes(), ...lines.map((line, index) => this.path(line, index)), this.cursor);
    this.legend.replaceChildren(...lines.map(({ name }, index) => {
      const swatch = svg('svg', { viewBox: '0 0 24 6', class: 'swatch', 'aria-hidden': 'true' });
      swatch.append(svg('path', { d: 'M0 3H24', class: `line line${index}` }));
      return make('li', {}, swatch, `${name} `, make('b'));
    }));
    this.updateValues();
  }

  // A line as text, for screen readers.
  describe({ name, points }) {
    const values = points.map(([, value]) => value).filter((value) => value !== null);
    return `${name} now ${format(values.at(-1), this.unit)}, peak ${format(Math.max(...values), this.unit)}`;
  }

  x(seconds) { return LEFT + (WIDTH - LEFT - RIGHT) * (seconds / this.end_s); }
  y(value) { return HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * (value / this.maximum); }

  axes() {
    const text = (content, x, y, anchor) => {
      const element = svg('text', { x, y, 'text-anchor': anchor });
      element.textContent = content;
      return element;
    };
    const ticks = [0, this.maximum / 2, this.maximum];
    return [
      ...ticks.map((tick) => svg('line', { class: 'tick', x1: LEFT, x2: WIDTH - RIGHT, y1: this.y(tick), y2: this.y(tick) })),
      ...ticks.map((tick) => text(rounded(tick), LEFT - 5, this.y(tick) + 3.5, 'end')),
      text('0 s', LEFT, HEIGHT - 4, 'start'),
      text(formatDuration(this.end_s), WIDTH - RIGHT, HEIGHT - 4, 'end'),
    ];
  }

  path({ points }, index) {
    let command = 'M';
    const steps = points.map(([t_s, value]) => {
      if (value === null) { command = 'M'; return ''; }
      const step = `${command}${this.x(t_s).toFixed(1)} ${this.y(value).toFixed(1)}`;
      command = 'L';
      return step;
    });
    return svg('path', { d: steps.join(''), class: `line line${index}` });
  }

  movePointer(event) {
    const box = this.svg.getBoundingClientRect();
    const x = ((event.clientX - box.left) / box.width) * WIDTH;
    this.pointer_s = Math.min(this.end_s, Math.max(0, ((x - LEFT) / (WIDTH - LEFT - RIGHT)) * this.end_s));
    this.updateValues();
  }

  // Shows the values at the pointer, or the last ones.
  updateValues() {
    this.lines.forEach(({ points }, index) => {
      const before = points.filter(([t_s]) => this.pointer_s === null || t_s <= this.pointer_s);
      this.legend.children[index].querySelector('b').textContent = format(before.at(-1)?.[1], this.unit);
    });
    const visible = this.pointer_s !== null;
    this.cursor.setAttribute('visibility', visible ? 'visible' : 'hidden');
    if (visible) for (const end of ['x1', 'x2']) this.cursor.setAttribute(end, this.x(this.pointer_s));
  }
}
