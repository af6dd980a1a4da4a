// Fetches the run's data every two seconds while the page is visible, and renders what has changed.
/* global Cursor, drawFigure, elapsed, followKeys, followTimeAxis, offerClocks: of the report's scripts, which report.js contains */
import { list, make, renderIfChanged } from './dom.js';

const $ = (id) => document.getElementById(id);
const cursor = new Cursor($('readout'), { showsLast: true });
const elements = new Map(); // id of a chart -> its figure
let looks = {};

// A grade as mark, words and colour; each alone is sufficient.
function badge(grade) {
  const { meaning, mark, words } = looks[grade];
  return make('span', { class: `badge ${meaning}` }, make('span', { 'aria-hidden': 'true', text: mark }), ` ${words}`);
}

function applyTheme() { // Locust's web UI keeps its theme here; without one, it follows the system
  const chosen = localStorage.getItem('theme');
  const dark = chosen ? chosen === 'dark' : matchMedia('(prefers-color-scheme: dark)').matches;
  document.documentElement.dataset.theme = dark ? 'dark' : 'light';
}

const tile = ([name, value, unit]) => make('div', {}, make('dt', { text: name }),
  make('dd', {}, `${value} `, make('small', { text: unit })));

function renderVerdict({ grade, decided_by: decidedBy, thresholds }) {
  $('grade').replaceChildren(badge(grade));
  const others = thresholds.filter(({ text }) => !decidedBy.includes(text));
  const items = others.map((threshold) => make('li', {}, badge(threshold.grade), ` ${threshold.text}`));
  $('thresholds').replaceChildren(decidedBy, make('ul', { class: 'thresholds' }, ...items));
}

function renderDiagnosis({ first, causes }) {
  const content = [make('h2', { text: 'Diagnosis' })];
  if (first) {
    const after = first.at_s === null ? '' : `, ${elapsed(first.at_s)} after the start`;
    content.push(make('p', { class: 'first' }, make('b', { text: `${first.opening}:` }), ` ${first.message}${after}`));
  } else content.push(make('p', { text: 'No threshold crossed.' }));
  if (first && !causes.length) content.push(make('p', { text: 'No known cause matches. Read the service\'s log at that time.' }));
  for (const cause of causes) {
    content.push(make('article', { class: cause.is_certain ? 'cause sure' : 'cause' },
      make('h3', {}, `${cause.title} `, make('span', { class: 'confidence', text: `${cause.confidence} sure` })),
      cause.where.length && make('ul', { class: 'locations', 'aria-label': 'Where' }, ...cause.where.map((text) => make('li', {}, make('code', { text })))),
      make('ul', {}, ...cause.evidence.map((text) => make('li', { text }))),
      ...list('Fix', cause.advice, 'h4')));
  }
  $('diagnosis').replaceChildren(...content);
}

function renderValidity(reasons) {
  const items = reasons.map(({ severity, message, advice }) => make('li', { class: severity },
    make('b', { text: severity }), ` ${message} `, advice && make('span', { class: 'advice', text: `– ${advice}` })));
  const valid = !reasons.some(({ severity }) => severity === 'invalid');
  $('validity').replaceChildren(make('h2', { text: valid ? 'Valid run' : 'Invalid run' }),
    items.length ? make('ul', { class: 'reasons' }, ...items) : make('p', { class: 'hint', text: 'No validity issues.' }));
}

function partsBar(parts, key) {
  const label = parts.map((part) => `${part.name} ${part[key].text}`).join(', ');
  const spans = parts.filter((part) => part[key].value >= 0.005).map((part) => {
    const text = `${part.name} ${part[key].text}`;
    const span = make('span', { class: part.style, title: text, text: part[key].value >= 0.2 ? text : '' });
    span.style.flexGrow = part[key].value;
    return span;
  });
  return make('div', { class: 'shares', role: 'img', 'aria-label': label }, ...spans);
}

const cell = (text, classes = 'number') => make('td', { class: classes, text });
const detail = (text) => make('small', { class: 'detail', text });
function endpointRow(endpoint) {
  const { service, parts } = endpoint;
  return make('tr', {},
    make('td', {}, badge(endpoint.grade)),
    make('th', { scope: 'row' }, endpoint.name, ...endpoint.thresholds.map(({ text }) => detail(text))),
    cell(endpoint.requests), cell(endpoint.rate),
    make('td', { class: endpoint.has_errors ? 'number has-errors' : 'number' }, endpoint.errors,
      endpoint.rate_limited && detail(endpoint.rate_limited)),
    cell(endpoint.p50), cell(endpoint.p95, 'number key-figure'), cell(endpoint.p99),
    cell(service.p50), cell(service.p95), cell(service.p99),
    make('td', {}, parts.length ? partsBar(parts, 'share') : 'not measured'));
}

function renderEndpoints({ endpoints, endpoints_omitted: omitted }) {
  $('endpoints').replaceChildren(...endpoints.map(endpointRow));
  const note = '~ too few samples for a precise value. Response time counts from the intended start.';
  $('endpoints-note').textContent = omitted ? `${omitted} more endpoints are in the result file. ${note}` : note;
}

function renderParts(parts) {
  if (!parts.length) {
    $('parts').replaceChildren(make('h2', { text: 'Where the time goes' }),
      make('p', { class: 'hint', text: 'The service sends no Server-Timing header.' }));
    return;
  }
  const entry = (part) => make('li', {}, make('span', { class: 'shares key' }, make('span', { class: part.style })),
    `${part.name} `, make('b', { text: part.share.text }), ` (p50 ${part.p50}, p95 ${part.p95} ms)`);
  $('parts').replaceChildren(make('h2', { text: 'Where the time goes (Server-Timing)' }),
    make('p', { text: 'all requests' }), partsBar(parts, 'share'), make('p', { text: 'slowest 1 %' }), partsBar(parts, 'share_slowest'),
    make('ul', { class: 'legend' }, ...parts.map(entry)),
    make('p', { class: 'hint', text: 'unattributed: network, queueing and event loop, which the header does not include' }));
}

function figureOf({ id, title, unit }) {
  if (!elements.has(id)) {
    elements.set(id, make('figure', { class: 'chart', 'aria-label': `${title}; the arrow keys move the cursor` },
      make('figcaption', {}, make('h3', {}, `${title} `, make('small', { text: unit })), make('ul', { class: 'legend' })),
      make('div', { class: 'canvas' })));
  }
  return elements.get(id);
}

function renderProgress(progress) {
  $('progress').hidden = !progress;
  if (!progress) return;
  const { phase, elapsed_s: passed, duration_s: duration, facts } = progress;
  const bar = duration && make('progress', { max: duration, value: Math.min(passed, duration), 'aria-label': 'time' });
  const left = duration ? `${elapsed(Math.round(passed))} of ${elapsed(Math.round(duration))}${phase === 'running' ? `, ${elapsed(Math.round(Math.max(duration - passed, 0)))} left` : ''}` : elapsed(Math.round(passed));
  $('progress').replaceChildren(make('b', { text: phase }), bar, make('span', { text: left }),
    ...facts.map(([name, value]) => make('span', {}, `${name} `, make('b', { text: value }))));
}

let drawn = { charts: [], end_s: 1, clock: null };
function renderCharts(data) {
  drawn = data;
  for (const chart of data.charts) chart.clock = data.clock;
  offerClocks($('time-axis'), [data.clock]);
  for (const [id, figure] of elements) {
    if (data.charts.some((chart) => chart.id === id)) continue;
    cursor.forget(figure);
    figure.remove();
    elements.delete(id);
  }
  const shown = data.charts.map(figureOf);
  if (shown.some((figure, index) => $('charts').children[index] !== figure)) $('charts').append(...shown);
  data.charts.forEach((chart, index) => drawFigure(cursor, shown[index], chart, [chart], [0, data.end_s]));
}

function renderResources({ resources, unavailable }) {
  const groups = resources.map(({ title, metrics }) => make('div', { class: 'group' }, make('h3', { text: title }),
    make('dl', { class: 'facts' }, ...metrics.map(([name, value]) => make('div', {}, make('dt', { text: name }), make('dd', { text: value }))))));
  if (unavailable.length) groups.push(make('div', { class: 'group' }, ...list('Not available', unavailable)));
  $('resources').replaceChildren(...groups);
}

const STATES = {
  ready: 'ready', spawning: 'starting users', running: 'running', cleanup: 'stopping', stopping: 'stopping', stopped: 'finished', missing: 'disconnected',
};
const ACTIVE_STATES = ['spawning', 'running', 'stopping', 'cleanup'];
function renderStatus({ state, users, view, finished, file }) {
  const active = ACTIVE_STATES.includes(state);
  const words = [view && !active && !finished ? 'evaluating' : STATES[state] ?? state];
  if (active) words.push(users);
  if (view) words.push(elapsed(Math.round(view.run.duration_s)), view.run.target);
  $('status').textContent = words.filter(Boolean).join(' · ');
  $('in-progress').textContent = view && !finished ? 'so far' : '';
  $('report').hidden = !finished;
  $('result-file').hidden = !file;
  $('result-file').textContent = `Result file ${file}`;
  $('not-written').hidden = !finished || Boolean(file);
  const hasRequests = view && (finished || view.run.requests > 0);
  $('no-run').hidden = Boolean(view);
  $('starting').hidden = !view || hasRequests;
  $('run').hidden = !hasRequests;
  if (view) $('setup-requests').textContent = `${view.run.setup_requests}; no requests of the load yet.`;
}

function render(data) {
  const { view } = data;
  renderIfChanged('progress', data.progress, renderProgress);
  const status = [data.state, data.users, data.finished, data.file, view && view.run];
  renderIfChanged('status', status, () => renderStatus(data));
  if (!view) return;
  looks = view.looks;
  renderIfChanged('verdict', view.verdict, renderVerdict);
  renderIfChanged('tiles', view.tiles, (tiles) => $('tiles').replaceChildren(...tiles.map(tile)));
  renderIfChanged('diagnosis', view.diagnosis, renderDiagnosis);
  renderIfChanged('validity', view.validity, renderValidity);
  renderIfChanged('endpoints', view.endpoints, () => renderEndpoints(view));
  renderIfChanged('parts', view.parts, renderParts);
  renderIfChanged('charts', { charts: view.charts, end_s: view.end_s, clock: view.clock }, renderCharts);
  renderIfChanged('resources', [view.resources, view.unavailable], () => renderResources(view));
  renderIfChanged('errors', view.errors, (errors) => $('errors').replaceChildren(...(errors.length ? list('Errors', errors, 'h2') : [])));
}

// The run's process ends after this page has its final state, and the report with it.
const isOfLocust = document.documentElement.dataset.source === 'locust';
const dataUrl = `live.json?viewer=${Math.random().toString(36).slice(2)}`;
let hasEnded = false;
let report = '';
async function keepReport() {
  const response = await fetch('report.html');
  if (response.ok) report = URL.createObjectURL(await response.blob());
  hasEnded = true;
  await fetch(`${dataUrl}&seen`); // nothing is missing here, so the process need not wait for this page
}

function keepFinalState() {
  $('result-file').hidden = true;
  if (report) {
    $('report').href = report;
    $('report').download = 'report.html';
    $('report').textContent = 'Download the report';
  }
  return 3_600_000;
}

// Returns milliseconds to wait for the next refresh.
async function refresh() {
  try {
    const response = await fetch(dataUrl, { cache: 'no-cache' });
    if (response.redirected) throw new Error('log in on Locust\'s page again');
    const data = await response.json();
    if (!response.ok) throw new Error(data.error);
    $('out-of-date').hidden = true;
    render(data);
    if (!data.finished) hasEnded = false; // another load of the session
    if (data.finished && !isOfLocust && !hasEnded) await keepReport();
    return 1000 * data.refresh_s;
  } catch (error) {
    if (hasEnded) return keepFinalState();
    const reason = error instanceof TypeError ? `${isOfLocust ? 'Locust' : 'the run has ended or'} does not respond` : error.message;
    $('out-of-date').textContent = `Not up to date: ${reason}.`;
    $('out-of-date').hidden = false;
    return 2000;
  }
}

async function poll() {
  const wait_ms = document.hidden && isOfLocust ? 2000 : await refresh();
  setTimeout(poll, wait_ms);
}

document.body.classList.toggle('in-tab', window !== window.top);
applyTheme();
addEventListener('storage', applyTheme);
matchMedia('(prefers-color-scheme: dark)').addEventListener('change', applyTheme);
followKeys($('charts'), cursor);
followTimeAxis($('time-axis'), () => renderCharts(drawn));
let width = 0;
new ResizeObserver(() => {
  if ($('charts').clientWidth === width) return; // its height follows from drawing
  width = $('charts').clientWidth;
  renderCharts(drawn);
}).observe($('charts'));
poll();
