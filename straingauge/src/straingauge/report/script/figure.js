// A chart within its figure: the drawing, the legend with the values at the cursor, the keys.

function drawFigure(cursor, figureElement, chart, comparable, end) {
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

// The arrow keys move the cursor of the focused figure, Escape releases it.
function followKeys(container, cursor) {
  container.addEventListener("keydown", (event) => {
    const figureElement = event.target.closest("figure[tabindex]");
    if (!figureElement || event.target !== figureElement) return;
    if (["ArrowLeft", "ArrowRight", "Home", "End"].includes(event.key)) {
      event.preventDefault();
      cursor.step(figureElement, event.key);
    }
  });
  document.addEventListener("keydown", (event) => event.key === "Escape" && cursor.release());
}
