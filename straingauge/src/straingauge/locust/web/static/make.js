// Elements out of words: only as text, so that no name of an endpoint becomes markup.

export function make(tag, settings = {}, ...children) {
  const element = document.createElement(tag);
  for (const [key, value] of Object.entries(settings)) {
    if (value === undefined || value === null) continue;
    if (key === 'text') element.textContent = value;
    else element.setAttribute(key, value);
  }
  element.append(...children.filter(Boolean));
  return element;
}

export const svg = (tag, settings = {}) => {
  const element = document.createElementNS('http://www.w3.org/2000/svg', tag);
  for (const [key, value] of Object.entries(settings)) element.setAttribute(key, value);
  return element;
};

const SIGNS = {
  target: '✓', acceptable: '✓', warning: '▲', critical: '✕', no_data: '∅', invalid: '?', 'not judged': '–',
};

// A grade by sign, word and colour: any one of them is enough.
export const badge = (grade) => make(
  'span', { class: `badge ${grade.replace(/\W/g, '_')}` },
  make('span', { 'aria-hidden': 'true', text: SIGNS[grade] ?? '' }), ` ${grade.replace('_', ' ')}`,
);

export const list = (title, items, level = 'h3') => [
  make(level, { text: title }), make('ul', {}, ...items.map((text) => make('li', { text }))),
];

export const percent = (share) => {
  const value = 100 * share;
  return value > 0 && value < 1 ? '<1 %' : `${Math.round(value)} %`;
};

// Runs `draw` when what it is given differs from the last time: what is selected or focused stays.
const drawn = new Map();
export function when(key, value, draw) {
  const now = JSON.stringify(value ?? null);
  if (drawn.get(key) === now) return;
  draw(value);
  drawn.set(key, now);
}
