// A chart within its figure: the drawing, the legend with the values at the cursor, the keys.

// `range`: the seconds that charts over time show.
function drawFigure(cursor, figureElement, chart, comparable, range) {
  cursor.forget(figureElement);
  const canvas = figureElement.querySelector(".canvas");
  const legend = figureElement.querySelector(".legend");
  const focused = [...legend.children].findIndex((entry) => entry.contains(document.activeElement));
  legend.replaceChildren();
  figureElement.toggleAttribute("data-placeholder", Boolean(chart.placeholder));
  canvas.style.minHeight = chart.placeholder && comparable.length ? `${HEIGHT[comparable[0].kind]}px` : "";
  addDownloads(figureElement, chart);
  if (chart.placeholder) {
    canvas.replaceChildren(chart.placeholder);
    figureElement.removeAttribute("tabindex");
    return;
  }
  const last = chart.kind === "curve" && Math.max(1, ...comparable.map((each) => (each.series[0].y.length - 1) / 8));
  const width = Math.max(260, canvas.clientWidth || 720);
  const plot = draw(chart, width, extent(comparable), last ? [0, last] : range);
  canvas.replaceChildren(plot.svg);
  figureElement.setAttribute("tabindex", "0");
  figureElement.hiddenSeries ??= new Set();
  cursor.add(figureElement, chart, plot, fillLegend(legend, chart, plot, figureElement.hiddenSeries));
  legend.children[focused]?.querySelector("button")?.focus();
}

// The entries, each with an element for its value at the cursor.
function fillLegend(legend, chart, plot, hidden) {
  const names = chart.kind === "heat" ? ["darker: more requests"] : chart.series.map((each) => each.name);
  const values = names.map((name, number) => {
    const value = document.createElement("b");
    const entry = document.createElement("li");
    let words = entry;
    if (chart.kind !== "heat") {
      words = toggle(plot, name, number, hidden);
      words.append(swatch(chart.kind === "stack" ? "area" : "line", styleOf(chart, number)));
      entry.append(words);
    }
    words.append(name, " ", value);
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

// A button that hides a series and shows it again; axes and layout stay.
function toggle(plot, name, number, hidden) {
  const button = document.createElement("button");
  const apply = () => {
    button.setAttribute("aria-pressed", !hidden.has(name));
    for (const part of plot.svg.querySelectorAll(`[data-series="${number}"]`)) {
      part.setAttribute("visibility", hidden.has(name) ? "hidden" : "visible");
    }
  };
  button.type = "button";
  button.className = "series-toggle";
  button.title = "Hide or show";
  button.addEventListener("click", () => {
    if (!hidden.delete(name)) hidden.add(name);
    apply();
  });
  apply();
  return button;
}

function swatch(kind, style) {
  const shape = kind === "area"
    ? element("rect", { class: `area ${style}`, width: 14, height: 10, y: 1 })
    : element("line", { class: `line ${style}`, x1: 0, x2: 20, y1: 6, y2: 6 });
  return element("svg", { class: "swatch", width: kind === "area" ? 16 : 22, height: 12, "aria-hidden": "true" }, shape);
}

// The arrow keys move the cursor of the focused figure, Escape releases it.
function followKeys(container, cursor) {
  container.addEventListener("keydown", (event) => {
    const figureElement = event.target.closest("figure[tabindex]");
    if (!figureElement || event.target !== figureElement) return;
    if (["ArrowLeft", "ArrowRight", "Home", "End"].includes(event.key)) {
      event.preventDefault();
      cursor.step(figureElement, event.key);
    }
    if (["+", "-"].includes(event.key)) cursor.zoomBy(event.key === "+" ? 0.5 : 2);
  });
  document.addEventListener("keydown", (event) => event.key === "Escape" && cursor.release());
}
