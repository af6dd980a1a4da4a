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

export const list = (title, items, level = 'h3') => [
  make(level, { text: title }), make('ul', {}, ...items.map((text) => make('li', { text }))),
];

// Calls `render` only if its data has changed, so that selection and focus stay.
const rendered = new Map();
export function renderIfChanged(key, data, render) {
  const json = JSON.stringify(data ?? null);
  if (rendered.get(key) === json) return;
  render(data);
  rendered.set(key, json);
}
