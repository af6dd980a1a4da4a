// One chart as SVG. Colours, dashes and fonts are in the style sheet.

const MARGIN = { top: 10, right: 10, bottom: 22, left: 54 };
const HEIGHT = { lines: 168, stack: 148, heat: 190, curve: 240 };
const FEW = 40; // number of points up to which each is marked

function styleOf(chart, number) {
  return chart.series[number].style || `${chart.kind === "curve" ? "c" : "s"}${number}`;
}

function element(name, attributes = {}, ...children) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

// A frame with axes and their scales.
function frame(chart, width, domain, across) {
  const height = HEIGHT[chart.kind];
  const x = linear(across, [MARGIN.left, width - MARGIN.right]);
  const y = (chart.log ? logarithmic : linear)(domain, [height - MARGIN.bottom, MARGIN.top]);
  const svg = element("svg", { viewBox: `0 0 ${width} ${height}`, width, height, "aria-hidden": "true" });
  for (const tick of y.ticks(chart.kind === "lines" ? 5 : 4)) {
    const place = y.at(tick);
    svg.append(
      element("line", { class: "grid", x1: MARGIN.left, x2: width - MARGIN.right, y1: place, y2: place }),
      element("text", { class: "tick", x: MARGIN.left - 7, y: place + 4, "text-anchor": "end" }, figure(tick)),
    );
  }
  const clock = clockOf(chart);
  const marks = chart.kind === "curve" ? percentileTicks(across[1]) : timeMarks(across, width / 90, clock);
  let taken = -Infinity; // where the last label ended
  if (clock) {
    svg.append(element("text", { class: "tick", x: 2, y: height - 6 }, clock.zone));
    taken = 2 + clock.zone.length * 6.4;
  }
  for (const [value, label] of marks) {
    const [place, half] = [x.at(value), label.length * 3.2];
    const middle = Math.min(place, width - half);
    const fits = middle - half > taken + 4;
    if (fits) taken = middle + half;
    svg.append(
      element("line", { class: "grid", x1: place, x2: place, y1: MARGIN.top, y2: height - MARGIN.bottom }),
      element("text", { class: "tick", x: middle, y: height - 6, "text-anchor": "middle" }, fits ? label : ""),
    );
  }
  return { svg, x, y, width, height, bottom: height - MARGIN.bottom };
}

function percentileTicks(end) {
  const shares = [0, 0.5, 0.75, 0.9, 0.95, 0.99, 0.999, 0.9999, 0.99999, 0.999999];
  return shares.map((share) => [-Math.log2(1 - share), percent(share)]).filter(([place]) => place <= end);
}

function draw(chart, width, domain, across) {
  const plot = frame(chart, width, domain, across);
  ({ lines: drawLines, stack: drawStack, heat: drawHeat, curve: drawCurve })[chart.kind](chart, { ...plot, svg: clipped(plot) });
  drawLimits(chart, plot);
  plot.cursor = element("line", { class: "cursor", y1: MARGIN.top, y2: plot.bottom, visibility: "hidden" });
  plot.svg.append(plot.cursor);
  return plot;
}

// A part of the chart that shows nothing beyond the axes.
function clipped({ svg, width, height }) {
  const inner = width - MARGIN.left - MARGIN.right + 6; // marks at the ends are whole
  const area = element("svg", { x: MARGIN.left - 3, width: inner, height, viewBox: `${MARGIN.left - 3} 0 ${inner} ${height}` });
  svg.append(area);
  return area;
}

function drawLines(chart, { svg, x, y }) {
  chart.series.forEach((each, number) => {
    svg.append(element("path", { class: `line ${styleOf(chart, number)}`, "data-series": number, d: pathOf(chart.x, each.y, x, y, chart.sparse) }));
    if (chart.x.length > FEW) return;
    each.y.forEach((value, slot) => {
      if (value !== null) svg.append(element("circle", { class: `point ${styleOf(chart, number)}`, "data-series": number, cx: x.at(chart.x[slot]), cy: y.at(value), r: 2.2 }));
    });
  });
  for (const [t, value, text] of chart.dots || []) {
    const dot = element("circle", { class: "dot", cx: x.at(t), cy: y.at(value), r: 3 });
    dot.append(element("title", {}, `${withUnit(value, chart.unit)}, ${timeText(chart, t)}: ${text}`));
    svg.append(dot);
  }
}

function pathOf(xs, ys, x, y, sparse = false) {
  let drawing = false;
  return ys.map((value, slot) => {
    if (value === null) { drawing &&= sparse; return ""; }
    const step = `${drawing ? "L" : "M"}${x.at(xs[slot]).toFixed(1)} ${y.at(value).toFixed(1)}`;
    drawing = true;
    return step;
  }).join("");
}

function drawStack(chart, { svg, x, y, bottom }) {
  const below = chart.x.map(() => 0);
  chart.series.forEach((each, number) => {
    const boxes = each.y.map((value, slot) => {
      if (!value) return "";
      const [left, right] = [-1, 1].map((side) => x.at(chart.x[slot] + side * chart.half[slot]));
      const from = Math.min(y.at(below[slot]), bottom);
      below[slot] += value;
      return box(left, y.at(below[slot]), right - left, from - y.at(below[slot]));
    });
    svg.append(element("path", { class: `area ${styleOf(chart, number)}`, "data-series": number, d: boxes.join("") }));
  });
}

function box(left, top, width, height) {
  return `M${left.toFixed(1)} ${top.toFixed(1)}h${width.toFixed(1)}v${height.toFixed(1)}h${(-width).toFixed(1)}z`;
}

function drawHeat(chart, { svg, x, y }) {
  const most = Math.max(2, ...chart.slots.flatMap(([, , cells]) => cells.filter((_, n) => n % 2)));
  const levels = Array.from({ length: 7 }, () => "");
  for (const [start, length, cells] of chart.slots) {
    const [left, right] = [x.at(start), x.at(start + length)];
    for (let n = 0; n < cells.length; n += 2) {
      const [top, base] = [y.at(bucketEdge(cells[n] + 1)), y.at(bucketEdge(cells[n]))];
      const level = Math.min(6, Math.floor(7 * Math.log(cells[n + 1]) / Math.log(most + 0.001)));
      levels[level] += box(left, top, right - left + 0.3, base - top + 0.3);
    }
  }
  levels.forEach((d, level) => svg.append(element("path", { class: `heat h${level}`, d })));
}

function drawCurve(chart, { svg, x, y, width, bottom }) {
  const places = chart.series[0].y.map((_, step) => step / 8);
  const thin = Math.log2(chart.count / 10); // beyond: fewer than ten requests are slower
  if (thin > 0 && thin < x.high) {
    const left = x.at(thin);
    svg.append(
      element("rect", { class: "thin", x: left, y: MARGIN.top, width: width - MARGIN.right - left, height: bottom - MARGIN.top }),
      element("text", { class: "note", x: width - MARGIN.right - 6, y: bottom - 8, "text-anchor": "end" }, "fewer than 10 requests"),
    );
  }
  for (const mark of chart.marks) {
    if (mark.y > y.high || mark.y < y.low || -Math.log2(1 - mark.p) > x.high) continue;
    const [place, height] = [x.at(-Math.log2(1 - mark.p)), y.at(mark.y)];
    svg.append(
      element("line", { class: "limit warning", x1: place - 20, x2: place + 20, y1: height, y2: height }),
      element("text", { class: "limit warning", x: place, y: height - 5, "text-anchor": "middle" }, withUnit(mark.y, chart.unit)),
    );
  }
  for (const whisker of chart.whiskers.filter((each) => -Math.log2(1 - each.p) <= x.high)) {
    const place = x.at(-Math.log2(1 - whisker.p));
    const line = element("line", { class: "whisker", x1: place, x2: place, y1: y.at(whisker.low), y2: y.at(whisker.high) });
    line.append(element("title", {}, `95 % confidence interval of ${percent(whisker.p)}`));
    svg.append(line);
  }
  chart.series.forEach((each, number) =>
    svg.append(element("path", { class: `line ${styleOf(chart, number)}`, "data-series": number, d: pathOf(places, each.y, x, y) })));
}

// From the top down; a label that would overlap the one above is placed below its line.
function drawLimits(chart, { svg, y, width }) {
  const right = width - MARGIN.right;
  const limits = (chart.limits || []).filter((limit) => limit.y <= y.high); // the legend has the others
  let above = -Infinity;
  for (const limit of limits.sort((one, other) => other.y - one.y)) {
    const place = y.at(limit.y);
    const baseline = place - 4 - above < 13 ? place + 12 : place - 4;
    above = baseline;
    svg.append(
      element("line", { class: `limit ${limit.grade}`, x1: MARGIN.left, x2: right, y1: place, y2: place }),
      element("text", { class: `limit ${limit.grade}`, x: right - 4, y: baseline, "text-anchor": "end" }, limitText(limit, chart.unit)),
    );
  }
}

function limitText({ name, grade, y }, unit) {
  return grade === "bound" ? name : `${name} from ${withUnit(y, unit)}`;
}
