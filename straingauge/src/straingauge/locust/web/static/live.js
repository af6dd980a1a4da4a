// Fetches the run's data every two seconds while the page is visible, and renders what has changed.
import { Chart } from './charts.js';
import { badge, list, make, percent, renderIfChanged } from './dom.js';

const $ = (id) => document.getElementById(id);
const charts = new Map();

function applyTheme() { // Locust's web UI keeps its theme here; without one, it follows the system
  const chosen = localStorage.getItem('theme');
  const dark = chosen ? chosen === 'dark' : matchMedia('(prefers-color-scheme: dark)').matches;
  document.documentElement.dataset.theme = dark ? 'dark' : 'light';
}

function renderTotal(total) {
  const { response_ms: response, service_ms: service } = total;
  const tiles = [
    ['requests', total.requests.toLocaleString('en')], ['per second', total.per_s], ['errors', `${total.error_percent} %`],
    ...(total.rate_limited ? [['rate limited', total.rate_limited]] : []),
    ['response time p50', `${response.p50} ms`], ['response time p95', `${response.p95} ms`],
    ['response time p99', `${response.p99} ms`], ['service time p95', `${service.p95} ms`],
  ];
  $('total').replaceChildren(...tiles.map(([name, value]) => make('div', {}, make('dt', { text: name }), make('dd', { text: value }))));
}

function renderVerdict({ grade, decided_by: decidedBy, thresholds }) {
  $('grade').replaceChildren(badge(grade));
  const others = thresholds.filter(({ text }) => !decidedBy.includes(text));
  const items = others.map((threshold) => make('li', {}, badge(threshold.grade), ` ${threshold.text}`));
  $('thresholds').replaceChildren(decidedBy, make('ul', { class: 'thresholds' }, ...items));
}

function renderDiagnosis({ first, causes }) {
  const content = [make('h2', { text: 'What failed first' })];
  if (first) {
    const after = first.at_s === null ? '' : `, ${Math.round(first.at_s)} s after the start`;
    content.push(make('p', { class: 'first-failure', text: `${first.message}${after}` }));
  } else content.push(make('p', { text: 'No threshold crossed.' }));
  if (first && !causes.length) content.push(make('p', { text: 'No known cause matches. Read the service\'s log at that time.' }));
  for (const cause of causes) {
    content.push(make('article', {},
      make('h3', { text: `${cause.title} (${cause.confidence_percent} % confidence)` }),
      make('ul', {}, ...cause.evidence.map((text) => make('li', { text }))),
      ...list('Fix', cause.advice, 'h4')));
  }
  $('diagnosis').replaceChildren(...content);
}

const SEVERITIES = { invalid: 'Invalid', warning: 'Warning', note: 'Note' };
function renderValidity(reasons) {
  const items = reasons.map(({ severity, message, advice }) => make('li', { class: severity },
    make('b', { text: `${SEVERITIES[severity] ?? severity}: ` }), message, advice ? ` (try: ${advice})` : ''));
  const valid = !reasons.some(({ severity }) => severity === 'invalid');
  $('validity').replaceChildren(make('h2', { text: valid ? 'Valid run' : 'Invalid run' }),
    items.length ? make('ul', {}, ...items) : make('p', { class: 'note', text: 'No validity issues.' }));
}

function timingBar(parts, key = 'share') {
  const shown = parts.filter((part) => part[key] > 0);
  const label = shown.map((part) => `${part.name} ${percent(part[key])}`).join(', ');
  const segments = shown.map((part) => {
    const segment = make('span', { class: `part part-${part.name}`, title: `${part.name} ${percent(part[key])}` });
    segment.style.flexGrow = part[key];
    return segment;
  });
  return make('div', { class: 'bar', role: 'img', 'aria-label': label }, ...segments);
}

function largestPart(parts) {
  const largest = parts.reduce((one, other) => (other.share > one.share ? other : one), parts[0]);
  return largest ? `${largest.name} ${percent(largest.share)}` : '';
}

const cell = (text, classes = 'number') => make('td', { class: classes, text });
const detail = (text) => make('div', { class: 'small', text });
function endpointRow(endpoint) {
  const { response_ms: response, service_ms: service, server_timing: parts } = endpoint;
  const rateLimited = endpoint.rate_limited ? detail(`${endpoint.rate_limited} rate limited`) : null;
  return make('tr', {},
    make('td', {}, badge(endpoint.grade)),
    make('th', { scope: 'row' }, endpoint.name, ...endpoint.thresholds.map(({ text }) => detail(text))),
    cell(endpoint.requests.toLocaleString('en')), cell(endpoint.per_s),
    make('td', { class: endpoint.error_percent ? 'number has-errors' : 'number' }, `${endpoint.error_percent} %`, rateLimited),
    cell(response.p50), cell(response.p95, 'number key-figure'), cell(response.p99),
    cell(service.p50), cell(service.p95), cell(service.p99),
    make('td', {}, ...(parts.length ? [timingBar(parts), detail(largestPart(parts))] : ['–'])));
}

function renderEndpoints({ endpoints, endpoints_omitted: omitted }) {
  $('endpoints').replaceChildren(...endpoints.map(endpointRow));
  const note = '~ too few samples for a precise value. Response time counts from the intended start.';
  $('endpoints-note').textContent = omitted ? `${omitted} more endpoints are in the result file. ${note}` : note;
}

function renderServerTiming(parts) {
  if (!parts.length) {
    $('server-timing').replaceChildren(make('h2', { text: 'Where the time goes' }),
      make('p', { class: 'note', text: 'The service sends no Server-Timing header.' }));
    return;
  }
  const entry = (part) => make('li', {}, make('span', { class: `key part-${part.name}` }),
    `${part.name} `, make('b', { text: percent(part.share) }), ` (p50 ${part.p50_ms}, p95 ${part.p95_ms} ms)`);
  $('server-timing').replaceChildren(make('h2', { text: 'Where the time goes (Server-Timing)' }),
    make('p', { text: 'all requests' }), timingBar(parts), make('p', { text: 'slowest 1 %' }), timingBar(parts, 'share_slowest'),
    make('ul', { class: 'legend' }, ...parts.map(entry)),
    make('p', { class: 'note', text: 'unattributed: network, queueing and event loop, which the header does not include' }));
}

function renderCharts(data) {
  for (const [title, chart] of charts) {
    if (!data.some((each) => each.title === title)) { chart.figure.remove(); charts.delete(title); }
  }
  for (const each of data) {
    if (!charts.has(each.title)) charts.set(each.title, new Chart($('charts')));
    charts.get(each.title).show(each);
  }
  const nodes = data.map(({ title }) => charts.get(title).figure);
  if (nodes.some((figure, index) => $('charts').children[index] !== figure)) $('charts').append(...nodes);
}

function renderResources({ resources, unavailable }) {
  const groups = resources.map(({ title, metrics }) => make('div', { class: 'group' }, make('h3', { text: title }),
    make('dl', {}, ...metrics.flatMap(([name, value]) => [make('dt', { text: name }), make('dd', { text: value })]))));
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
  if (active) words.push(`${users} user${users === 1 ? '' : 's'}`);
  if (view) words.push(`${Math.round(view.run.duration_s)} s`, view.run.target);
  $('status').textContent = words.filter(Boolean).join(' · ');
  $('in-progress').textContent = view && !finished ? 'so far' : '';
  $('report').hidden = !finished;
  $('result-file').hidden = !file;
  $('result-file').textContent = `Result file ${file}`;
  $('not-written').hidden = !finished || Boolean(file);
  const hasRequests = view && (finished || view.total.requests > 0);
  $('no-run').hidden = Boolean(view);
  $('starting').hidden = !view || hasRequests;
  $('run').hidden = !hasRequests;
  if (view) $('setup-requests').textContent = `${view.run.setup_requests} log-in requests; no requests of the load yet.`;
}

function render(data) {
  const { view } = data;
  const status = [data.state, data.users, data.finished, data.file, view && [view.run, view.total.requests]];
  renderIfChanged('status', status, () => renderStatus(data));
  if (!view) return;
  renderIfChanged('verdict', view.verdict, renderVerdict);
  renderIfChanged('total', view.total, renderTotal);
  renderIfChanged('diagnosis', view.diagnosis, renderDiagnosis);
  renderIfChanged('validity', view.validity, renderValidity);
  renderIfChanged('endpoints', view.endpoints, () => renderEndpoints(view));
  renderIfChanged('server-timing', view.total.server_timing, renderServerTiming);
  renderIfChanged('charts', view.charts, renderCharts);
  renderIfChanged('resources', [view.resources, view.unavailable], () => renderResources(view));
  renderIfChanged('errors', view.errors, (errors) => $('errors').replaceChildren(...(errors.length ? list('Errors', errors, 'h2') : [])));
}

// Returns milliseconds to wait for the next refresh.
async function refresh() {
  try {
    const response = await fetch('live.json', { cache: 'no-cache' });
    if (response.redirected) throw new Error('log in on Locust\'s page again');
    const data = await response.json();
    if (!response.ok) throw new Error(data.error);
    $('out-of-date').hidden = true;
    render(data);
    return 1000 * data.refresh_s;
  } catch (error) {
    const reason = error instanceof TypeError ? 'Locust does not respond' : error.message;
    $('out-of-date').textContent = `Not up to date: ${reason}.`;
    $('out-of-date').hidden = false;
    return 2000;
  }
}

async function poll() {
  const wait_ms = document.hidden ? 2000 : await refresh();
  setTimeout(poll, wait_ms);
}

document.body.classList.toggle('in-tab', window !== window.top);
applyTheme();
addEventListener('storage', applyTheme);
matchMedia('(prefers-color-scheme: dark)').addEventListener('change', applyTheme);
poll();
