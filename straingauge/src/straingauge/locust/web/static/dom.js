// Elements with their content set as text only, so that an endpoint's name cannot become markup.

export function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [key, value] of Object.entries(attributes)) {
    if (value === undefined || value === null) continue;
    if (key === 'text') element.textContent = value;
    else element.setAttribute(key, value);
  }
  element.append(...children.filter(Boolean));
  return element;
}

export const svg = (tag, attributes = {}) => {
  const element = document.createElementNS('http://www.w3.org/2000/svg', tag);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  return element;
};

const GRADE_ICONS = {
  target: '✓', acceptable: '✓', warning: '▲', critical: '✕', no_data: '∅', invalid: '?', 'not judged': '–',
};

// A grade as icon, word and colour; each alone is sufficient.
export const badge = (grade) => make(
  'span', { class: `badge ${grade.replace(/\W/g, '_')}` },
  make('span', { 'aria-hidden': 'true', text: GRADE_ICONS[grade] ?? '' }), ` ${grade.replace('_', ' ')}`,
);

export const list = (title, items, level = 'h3') => [
  make(level, { text: title }), make('ul', {}, ...items.map((text) => make('li', { text }))),
];

export const percent = (share) => {
  const value = 100 * share;
  return value > 0 && value < 1 ? '<1 %' : `${Math.round(value)} %`;
};

// Calls `render` only if its data has changed, so that selection and focus stay.
const rendered = new Map();
export function renderIfChanged(key, data, render) {
  const json = JSON.stringify(data ?? null);
  if (rendered.get(key) === json) return;
  render(data);
  rendered.set(key, json);
}
