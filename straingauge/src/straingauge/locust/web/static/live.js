// Asks for the figures every two seconds and shows them; what has not changed is left as it is.
import { Chart } from './charts.js';
import { badge, list, make, percent, when } from './make.js';

const $ = (id) => document.getElementById(id);
const charts = new Map();
let failures = 0;

function theme() { // Locust's page keeps its choice here; without one, it follows the system
  const chosen = localStorage.getItem('theme');
  const dark = chosen ? chosen === 'dark' : matchMedia('(prefers-color-scheme: dark)').matches;
  document.documentElement.dataset.theme = dark ? 'dark' : 'light';
}

function tiles({ total }) {
  const { response_ms: response, service_ms: service } = total;
  const errors = `${total.error_percent} %`;
  const figures = [
    ['requests', total.requests.toLocaleString('en')], ['per second', total.per_s], ['errors', errors],
    ...(total.rate_limited ? [['rate limited', total.rate_limited]] : []),
    ['response time p50', `${response.p50} ms`], ['response time p95', `${response.p95} ms`],
    ['response time p99', `${response.p99} ms`], ['service time p95', `${service.p95} ms`],
  ];
  $('total').replaceChildren(...figures.map(([name, value]) => make('div', {}, make('dt', { text: name }), make('dd', { text: value }))));
}

function verdict({ grade, decided_by: decided, demands }) {
  $('grade').replaceChildren(badge(grade));
  const items = demands.filter(({ text }) => !decided.includes(text)).map((demand) => make('li', {}, badge(demand.grade), ` ${demand.text}`));
  $('decided').replaceChildren(decided, make('ul', { class: 'demands' }, ...items));
}

function diagnosis({ first, causes }) {
  const shown = [make('h2', { text: 'What broke first, and why' })];
  if (first) {
    const when_ = first.at_s === null ? '' : `, ${Math.round(first.at_s)} s after the start`;
    shown.push(make('p', { class: 'broke', text: `${first.message}${when_}` }));
  } else shown.push(make('p', { text: 'Nothing is beyond its thresholds.' }));
  if (first && !causes.length) shown.push(make('p', { text: 'No rule accounts for it: look into the service\'s log at that time.' }));
  for (const cause of causes) {
    shown.push(make('article', {},
      make('h3', { text: `${cause.title} (${cause.sure_percent} % sure)` }),
      make('ul', {}, ...cause.evidence.map((text) => make('li', { text }))),
      ...list('What to change', cause.advice, 'h4')));
  }
  $('diagnosis').replaceChildren(...shown);
}

const SEVERITIES = { invalid: 'Invalid', warning: 'Mind', note: 'Note' };
function reasons(found) {
  const items = found.map(({ severity, message, advice }) => make('li', { class: severity },
    make('b', { text: `${SEVERITIES[severity] ?? severity}: ` }), message, advice ? ` (try: ${advice})` : ''));
  const valid = !found.some(({ severity }) => severity === 'invalid');
  const text = valid ? 'The figures may be relied on' : 'Nothing may be concluded from this run';
  $('reasons').replaceChildren(make('h2', { text: `Validity: ${text}` }), items.length ? make('ul', {}, ...items) : make('p', { class: 'note', text: 'Nothing speaks against them.' }));
}

function bar(parts, key = 'share') {
  const found = parts.filter((part) => part[key] > 0);
  const words = found.map((part) => `${part.name} ${percent(part[key])}`).join(', ');
  const pieces = found.map((part) => {
    const piece = make('span', { class: `part part-${part.name}`, title: `${part.name} ${percent(part[key])}` });
    piece.style.flexGrow = part[key];
    return piece;
  });
  return make('div', { class: 'bar', role: 'img', 'aria-label': words }, ...pieces);
}

function largest(parts) {
  const most = parts.reduce((one, other) => (other.share > one.share ? other : one), parts[0]);
  return most ? `${most.name} ${percent(most.share)}` : '';
}

const number = (text, classes = 'n') => make('td', { class: classes, text });
function row(each) {
  const { response_ms: response, service_ms: service } = each;
  const limited = each.rate_limited ? make('div', { class: 'small', text: `${each.rate_limited} rate limited` }) : null;
  return make('tr', {},
    make('td', {}, badge(each.grade)),
    make('th', { scope: 'row' }, each.name, ...each.demands.map((demand) => make('div', { class: 'small', text: demand.text }))),
    number(each.requests.toLocaleString('en')), number(each.per_s),
    make('td', { class: each.error_percent ? 'n some' : 'n' }, `${each.error_percent} %`, limited),
    number(response.p50), number(response.p95, 'n lead'), number(response.p99),
    number(service.p50), number(service.p95), number(service.p99),
    make('td', {}, ...(each.parts.length ? [bar(each.parts), make('div', { class: 'small', text: largest(each.parts) })] : ['–'])));
}

function endpoints({ endpoints: found, endpoints_left_out: more }) {
  $('endpoints').replaceChildren(...found.map(row));
  const unsure = '~ too few samples to be sure. Response time counts from the moment a request should have started.';
  $('endpoints-note').textContent = more ? `${more} more are in the result file. ${unsure}` : unsure;
}

function parts(found) {
  if (!found.length) {
    $('parts').replaceChildren(make('h2', { text: 'Where the time goes' }),
      make('p', { class: 'note', text: 'The service sends no Server-Timing header, so its time cannot be split.' }));
    return;
  }
  const line = (part) => make('li', {}, make('span', { class: `key part-${part.name}` }),
    `${part.name} `, make('b', { text: percent(part.share) }), ` (p50 ${part.p50_ms}, p95 ${part.p95_ms} ms)`);
  $('parts').replaceChildren(make('h2', { text: 'Where the time goes (Server-Timing)' }),
    make('p', { text: 'of all requests' }), bar(found), make('p', { text: 'of the slowest 1 %' }), bar(found, 'share_slowest'),
    make('ul', { class: 'legend' }, ...found.map(line)),
    make('p', { class: 'note', text: 'unattributed: network, queueing and the event loop, which the service does not tell' }));
}

function drawings(found) {
  for (const [title, chart] of charts) {
    if (!found.some((each) => each.title === title)) { chart.figure.remove(); charts.delete(title); }
  }
  for (const each of found) {
    if (!charts.has(each.title)) charts.set(each.title, new Chart($('charts')));
    charts.get(each.title).show(each);
  }
  const figures = found.map(({ title }) => charts.get(title).figure);
  if (figures.some((figure, place) => $('charts').children[place] !== figure)) $('charts').append(...figures);
}

function inside({ inside: groups, unseen }) {
  const blocks = groups.map(({ title, figures }) => make('div', { class: 'group' }, make('h3', { text: title }),
    make('dl', {}, ...figures.flatMap(([name, value]) => [make('dt', { text: name }), make('dd', { text: value })]))));
  if (unseen.length) blocks.push(make('div', { class: 'group' }, ...list('Not seen', unseen)));
  $('inside').replaceChildren(...blocks);
}

const WORDS = {
  ready: 'ready', spawning: 'starting users', running: 'running', cleanup: 'ending', stopping: 'stopping', stopped: 'over', missing: 'gone',
};
function status({ state, users, seen, over, file }) {
  const under = ['spawning', 'running', 'stopping', 'cleanup'].includes(state);
  const words = [seen && !under && !over ? 'over, and being judged' : WORDS[state] ?? state];
  if (under) words.push(`${users} user${users === 1 ? '' : 's'}`);
  if (seen) words.push(`${Math.round(seen.run.duration_s)} s`, seen.run.target);
  $('status').textContent = words.filter(Boolean).join(' · ');
  $('so-far').textContent = seen && !over ? 'so far' : '';
  $('report').hidden = !over;
  $('file').hidden = !file;
  $('file').textContent = `Result file ${file}`;
  $('unwritten').hidden = !over || Boolean(file);
  const begun = seen && (over || seen.total.requests > 0);
  $('none').hidden = Boolean(seen);
  $('before').hidden = !seen || begun;
  $('run').hidden = !begun;
  if (seen) $('before-text').textContent = `${seen.run.setup_requests} requests of users that log in; none of the load yet.`;
}

function show(data) {
  const { seen } = data;
  when('status', [data.state, data.users, data.over, data.file, seen && [seen.run, seen.total.requests]], () => status(data));
  if (!seen) return;
  when('verdict', seen.verdict, verdict);
  when('total', seen.total, () => tiles(seen));
  when('diagnosis', seen.diagnosis, diagnosis);
  when('reasons', seen.reasons, reasons);
  when('endpoints', seen.endpoints, () => endpoints(seen));
  when('parts', seen.total.parts, parts);
  when('charts', seen.charts, drawings);
  when('inside', [seen.inside, seen.unseen], () => inside(seen));
  when('errors', seen.errors, (found) => $('errors').replaceChildren(...(found.length ? list('Errors', found, 'h2') : [])));
}

async function ask() {
  try {
    const answer = await fetch('live.json', { cache: 'no-cache' });
    if (answer.redirected) throw new Error('log in on Locust\'s page again');
    const data = await answer.json();
    if (!answer.ok) throw new Error(data.error);
    failures = 0;
    show(data);
    return 1000 * data.every_s;
  } catch (error) {
    failures += 1;
    const what = error instanceof TypeError ? 'Locust does not answer: has it ended?' : error.message;
    $('trouble').textContent = `These figures are not up to date: ${what}`;
    return 2000;
  } finally {
    $('trouble').hidden = failures === 0;
  }
}

async function go() {
  const wait_ms = document.hidden ? 2000 : await ask();
  setTimeout(go, wait_ms);
}

document.body.classList.toggle('in-tab', window !== window.top);
theme();
addEventListener('storage', theme);
matchMedia('(prefers-color-scheme: dark)').addEventListener('change', theme);
go();
