// Small line charts. Each line has a colour, a dash and its name with the value beside it.
import { make, svg } from './make.js';

const WIDTH = 320, HEIGHT = 120, LEFT = 40, RIGHT = 8, TOP = 8, BOTTOM = 18;

const rounded = (value) => (value >= 100 || value === 0 ? Math.round(value) : Number(value.toPrecision(3)));
const said = (value, unit) => (value === null || value === undefined ? '–' : `${rounded(value)}${unit && ` ${unit}`}`);

// The least of 1, 2, 5, 10, 20 ... that is not below.
function ceiling(value) {
  const power = 10 ** Math.floor(Math.log10(value || 1));
  return power * ([1, 2, 5].find((step) => step * power >= value) ?? 10);
}

const clock = (seconds) => {
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
    this.at = null; // seconds the pointer is at
    this.svg.addEventListener('pointermove', (event) => this.point(event));
    this.svg.addEventListener('pointerleave', () => { this.at = null; this.tell(); });
  }

  show({ title, unit, lines }) {
    Object.assign(this, { unit, lines });
    const points = lines.flatMap((line) => line.points);
    this.until = Math.max(1, ...points.map(([t]) => t));
    this.top = ceiling(Math.max(0, ...points.map(([, value]) => value ?? 0)));
    this.title.textContent = unit ? `${title}, ${unit}` : title;
    this.svg.setAttribute('aria-label', `${title}: ${lines.map((line) => this.spoken(line)).join('; ')}`);
    this.cursor = svg('line', { class: 'cursor', y1: TOP, y2: HEIGHT - BOTTOM, visibility: 'hidden' });
    this.svg.replaceChildren(...this.axes(), ...lines.map((line, index) => this.line(line, index)), this.cursor);
    this.legend.replaceChildren(...lines.map(({ name }, index) => {
      const sample = svg('svg', { viewBox: '0 0 24 6', class: 'sample', 'aria-hidden': 'true' });
      sample.append(svg('path', { d: 'M0 3H24', class: `line line${index}` }));
      return make('li', {}, sample, `${name} `, make('b'));
    }));
    this.tell();
  }

  spoken({ name, points }) {
    const values = points.map(([, value]) => value).filter((value) => value !== null);
    return `${name} now ${said(values.at(-1), this.unit)}, at most ${said(Math.max(...values), this.unit)}`;
  }

  x(seconds) { return LEFT + (WIDTH - LEFT - RIGHT) * (seconds / this.until); }
  y(value) { return HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * (value / this.top); }

  axes() {
    const text = (content, x, y, anchor) => {
      const element = svg('text', { x, y, 'text-anchor': anchor });
      element.textContent = content;
      return element;
    };
    const levels = [0, this.top / 2, this.top];
    return [
      ...levels.map((level) => svg('line', { class: 'level', x1: LEFT, x2: WIDTH - RIGHT, y1: this.y(level), y2: this.y(level) })),
      ...levels.map((level) => text(rounded(level), LEFT - 5, this.y(level) + 3.5, 'end')),
      text('0 s', LEFT, HEIGHT - 4, 'start'),
      text(clock(this.until), WIDTH - RIGHT, HEIGHT - 4, 'end'),
    ];
  }

  line({ points }, index) {
    let pen = 'M';
    const steps = points.map(([t, value]) => {
      if (value === null) { pen = 'M'; return ''; }
      const step = `${pen}${this.x(t).toFixed(1)} ${this.y(value).toFixed(1)}`;
      pen = 'L';
      return step;
    });
    return svg('path', { d: steps.join(''), class: `line line${index}` });
  }

  point(event) {
    const box = this.svg.getBoundingClientRect();
    const x = ((event.clientX - box.left) / box.width) * WIDTH;
    this.at = Math.min(this.until, Math.max(0, ((x - LEFT) / (WIDTH - LEFT - RIGHT)) * this.until));
    this.tell();
  }

  // The values where the pointer is, else the last ones.
  tell() {
    this.lines.forEach(({ points }, index) => {
      const seen = points.filter(([t]) => this.at === null || t <= this.at);
      this.legend.children[index].querySelector('b').textContent = said(seen.at(-1)?.[1], this.unit);
    });
    const pointing = this.at !== null;
    this.cursor.setAttribute('visibility', pointing ? 'visible' : 'hidden');
    if (pointing) for (const end of ['x1', 'x2']) this.cursor.setAttribute(end, this.x(this.at));
  }
}
