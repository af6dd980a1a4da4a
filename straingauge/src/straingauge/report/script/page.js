// Selection of runs and endpoints; draws the selected ones, again after each change of size.

const runs = JSON.parse(document.getElementById("data").textContent);
const cursor = new Cursor(document.getElementById("readout"), { zoomTo });
const reset = document.getElementById("reset-zoom");
let zoomed = null; // the seconds that all charts over time show; null: all
const container = document.getElementById("runs");
const choices = [...document.querySelectorAll("input[name=show]")];
const verdictRows = [...document.querySelectorAll("#verdicts tbody tr")]; // in the order of the runs, however they are sorted
const timeAxis = document.getElementById("time-axis");
const sections = [...document.querySelectorAll("section.run")];

for (const { clock, endpoints, resources } of runs) {
  for (const chart of [...Object.values(endpoints).flat(), ...resources]) chart.clock = clock;
}

function isShown(number) {
  return !sections[number].hidden;
}

function chartsOf(number, endpoint) {
  const run = runs[number];
  return [...(run.endpoints[endpoint] || run.endpoints[""]), ...run.resources];
}

function endpointOf(number) {
  const chosen = sections[number].querySelector("input.endpoint:checked");
  return chosen ? chosen.value : "";
}

function drawShown() {
  const shownRuns = sections.map((_, number) => number).filter(isShown);
  container.style.setProperty("--columns", Math.max(1, shownRuns.length));
  container.classList.toggle("side-by-side", shownRuns.length > 1);
  const all = shownRuns.map((number) => ({ number, charts: chartsOf(number, endpointOf(number)) }));
  const end = Math.max(...all.map(({ number }) => runs[number].end_s));
  const range = zoomed || [0, end];
  offerClocks(timeAxis, shownRuns.map((number) => runs[number].clock));
  for (const { number, charts } of all) {
    charts.forEach((chart, place) => {
      const comparable = all.map((each) => each.charts[place]).filter((each) => !each.placeholder);
      drawFigure(cursor, document.getElementById(`r${number}-${chart.id}`), chart, comparable, range);
    });
  }
}

// Never less than a tenth of a second, and never beyond the run.
function zoomTo(range) {
  const end = Math.max(...sections.flatMap((_, number) => (isShown(number) ? [runs[number].end_s] : [])));
  const [from, to] = range ? [Math.max(0, range[0]), Math.min(end, range[1])] : [0, end];
  if (to - from < 0.1) return;
  zoomed = to - from < end ? [from, to] : null;
  reset.hidden = !zoomed;
  drawShown();
}

function show(numbers) {
  zoomed = null;
  reset.hidden = true;
  sections.forEach((section, number) => { section.hidden = !numbers.includes(number); });
  choices.forEach((choice, number) => { choice.checked = numbers.includes(number); });
  verdictRows.forEach((row, number) =>
    row.classList.toggle("chosen", numbers.includes(number)));
  drawShown();
}

// A link within the page: show its run, and highlight its target.
function follow(hash) {
  const found = /^#r(\d+)(-.+)?$/.exec(hash);
  const number = found && Number(found[1]);
  if (!found || !sections[number]) return;
  if (!isShown(number)) show([number]);
  const target = document.getElementById(hash.slice(1));
  if (!target) return;
  const folded = target.closest("details") || target.querySelector(":scope > details");
  if (folded) folded.open = true;
  target.scrollIntoView({ block: found[2] ? "center" : "start" });
  target.classList.add("pointed-out");
  target.addEventListener("animationend", () => target.classList.remove("pointed-out"), { once: true });
}

document.addEventListener("click", (event) => {
  const link = event.target.closest('a[href^="#r"]');
  if (!link) return;
  event.preventDefault();
  history.replaceState(null, "", link.hash);
  follow(link.hash);
});
document.addEventListener("change", (event) => {
  if (event.target.name === "show") {
    const chosen = choices.flatMap((choice, number) => (choice.checked ? [number] : []));
    show(chosen.length ? chosen : [choices.indexOf(event.target)]);
  }
  if (event.target.matches("input.endpoint")) {
    for (const same of document.querySelectorAll("input.endpoint")) {
      if (same.value === event.target.value) same.checked = true;
    }
    drawShown();
  }
});
reset.addEventListener("click", () => zoomTo(null));
followTimeAxis(timeAxis, drawShown);
followKeys(container, cursor);
followCopy();

let before = null; // the runs that were shown before printing
addEventListener("beforeprint", () => {
  if (before) return;
  before = sections.flatMap((section, number) => (section.hidden ? [] : [number]));
  cursor.release();
  for (const number of sections.keys()) show([number]); // one by one, since each has its own axes
});
addEventListener("afterprint", () => {
  const again = before;
  before = null;
  if (again) show(again);
});
addEventListener("hashchange", () => follow(location.hash));
let width = 0;
new ResizeObserver(() => {
  if (container.clientWidth === width || before) return; // its height follows from drawing; on paper the charts scale
  width = container.clientWidth;
  drawShown();
}).observe(container);
show(JSON.parse(container.dataset.shown));
follow(location.hash);
