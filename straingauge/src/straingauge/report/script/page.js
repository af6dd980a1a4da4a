// Selection of runs and endpoints; draws the selected ones, again after each change of size.

const runs = JSON.parse(document.getElementById("data").textContent);
const cursor = new Cursor(document.getElementById("readout"));
const container = document.getElementById("runs");
const choices = [...document.querySelectorAll("input[name=show]")];
const sections = [...document.querySelectorAll("section.run")];

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
  for (const { number, charts } of all) {
    charts.forEach((chart, place) => {
      const comparable = all.map((each) => each.charts[place]).filter((each) => !each.placeholder);
      drawFigure(document.getElementById(`r${number}-${chart.id}`), chart, comparable, end);
    });
  }
}

function drawFigure(figureElement, chart, comparable, end) {
  cursor.forget(figureElement);
  const canvas = figureElement.querySelector(".canvas");
  const legend = figureElement.querySelector(".legend");
  legend.replaceChildren();
  figureElement.toggleAttribute("data-placeholder", Boolean(chart.placeholder));
  canvas.style.minHeight = chart.placeholder && comparable.length ? `${HEIGHT[comparable[0].kind]}px` : "";
  if (chart.placeholder) {
    canvas.replaceChildren(chart.placeholder);
    figureElement.removeAttribute("tabindex");
    return;
  }
  const last = chart.kind === "curve" ? Math.max(...comparable.map((each) => (each.series[0].y.length - 1) / 8)) : end;
  const width = Math.max(260, canvas.clientWidth || 720);
  const plot = draw(chart, width, extent(comparable), last);
  canvas.replaceChildren(plot.svg);
  figureElement.setAttribute("tabindex", "0");
  cursor.add(figureElement, chart, plot, fillLegend(legend, chart, plot));
}

// The entries, each with an element for its value at the cursor.
function fillLegend(legend, chart, plot) {
  const names = chart.kind === "heat" ? ["darker: more requests"] : chart.series.map((each) => each.name);
  const values = names.map((name, number) => {
    const value = document.createElement("b");
    const entry = document.createElement("li");
    if (chart.kind !== "heat") entry.append(swatch(chart.kind === "stack" ? "area" : "line", styleOf(chart, number)));
    entry.append(name, " ", value);
    legend.append(entry);
    return value;
  });
  const beyond = (chart.limits || []).filter((limit) => limit.y > plot.y.high);
  const asides = beyond.map((limit) => limitText(limit, chart.unit));
  if (chart.kind === "curve" && chart.marks.length) asides.push("dashed: warning threshold");
  for (const text of asides) {
    const entry = document.createElement("li");
    entry.className = "aside";
    entry.append(text);
    legend.append(entry);
  }
  return values;
}

function swatch(kind, style) {
  const shape = kind === "area"
    ? element("rect", { class: `area ${style}`, width: 14, height: 10, y: 1 })
    : element("line", { class: `line ${style}`, x1: 0, x2: 20, y1: 6, y2: 6 });
  return element("svg", { class: "swatch", width: kind === "area" ? 16 : 22, height: 12, "aria-hidden": "true" }, shape);
}

function show(numbers) {
  sections.forEach((section, number) => { section.hidden = !numbers.includes(number); });
  choices.forEach((choice, number) => { choice.checked = numbers.includes(number); });
  document.querySelectorAll("#verdicts tbody tr").forEach((row, number) =>
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
container.addEventListener("keydown", (event) => {
  const figureElement = event.target.closest("figure[tabindex]");
  if (!figureElement || event.target !== figureElement) return;
  if (["ArrowLeft", "ArrowRight", "Home", "End"].includes(event.key)) {
    event.preventDefault();
    cursor.step(figureElement, event.key);
  }
});
document.addEventListener("keydown", (event) => event.key === "Escape" && cursor.release());

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
