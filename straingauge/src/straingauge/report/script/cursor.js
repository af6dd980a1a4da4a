// One cursor for all charts that share the time axis, with its values as text.

const LEAST_DRAG = 8; // pixels; less is a click

class Cursor {
  // With `showsLast`, the legends show the last values while there is no cursor.
  // `zoomTo` is called with the range of time that was selected.
  constructor(readout, { showsLast = false, zoomTo = null } = {}) {
    this.readout = readout;
    this.showsLast = showsLast;
    this.zoomTo = zoomTo;
    this.drawn = new Map(); // figure -> { chart, plot, legend }
    this.at = null;
    this.pinned = false;
    this.pending = 0;
  }

  add(figureElement, chart, plot, legend) {
    this.drawn.set(figureElement, { chart, plot, legend });
    const { svg } = plot;
    svg.addEventListener("pointermove", (event) => this.follow(figureElement, event));
    svg.addEventListener("pointerleave", () => {
      cancelAnimationFrame(this.pending);
      if (!this.pinned) this.moveTo(figureElement, null);
    });
    if (this.zoomTo && chart.kind !== "curve") this.followDrag(plot);
    svg.addEventListener("click", (event) => {
      this.pinned = !this.pinned;
      this.follow(figureElement, event, true);
    });
    if ((this.at !== null || this.showsLast) && chart.kind !== "curve") this.place(figureElement);
  }

  // A drag of the mouse selects a range; on a touch screen it scrolls.
  followDrag({ svg, x, width, bottom }) {
    const range = element("rect", { class: "zoom-range", y: MARGIN.top, height: bottom - MARGIN.top });
    const valueAt = (event) => {
      const { left, width: shown } = svg.getBoundingClientRect();
      return Math.min(x.high, Math.max(x.low, x.value((event.clientX - left) * (width / shown))));
    };
    let start = null;
    let selected = null;
    svg.addEventListener("pointerdown", (event) => {
      if (event.button !== 0 || event.pointerType === "touch") return;
      start = valueAt(event);
      selected = null;
      svg.setPointerCapture(event.pointerId);
    });
    svg.addEventListener("pointermove", (event) => {
      if (start === null) return;
      const [from, to] = [start, valueAt(event)].sort((one, other) => one - other);
      selected = x.at(to) - x.at(from) < LEAST_DRAG ? null : [from, to];
      range.setAttribute("x", x.at(from));
      range.setAttribute("width", x.at(to) - x.at(from));
      svg.append(range);
    });
    for (const end of ["pointerup", "pointercancel"]) {
      svg.addEventListener(end, () => {
        range.remove();
        start = null;
        if (selected && end === "pointerup") this.zoomTo(selected);
      });
    }
  }

  // Show a share of the present range, around the cursor.
  zoomBy(factor) {
    const drawn = [...this.drawn.values()].find(({ chart }) => chart.kind !== "curve");
    if (!this.zoomTo || !drawn) return;
    const { low, high } = drawn.plot.x;
    const middle = this.at ?? (low + high) / 2;
    this.zoomTo([middle - (middle - low) * factor, middle + (high - middle) * factor]);
  }

  forget(figureElement) {
    this.drawn.delete(figureElement);
  }

  follow(figureElement, event, always = false) {
    const { plot } = this.drawn.get(figureElement);
    if (this.pinned && !always) return;
    const bounds = plot.svg.getBoundingClientRect();
    const place = (event.clientX - bounds.left) * (plot.width / bounds.width);
    const value = Math.min(plot.x.high, Math.max(plot.x.low, plot.x.value(place)));
    cancelAnimationFrame(this.pending);
    this.pending = requestAnimationFrame(() => this.moveTo(figureElement, value));
  }

  // With the keyboard: from one sample to the next.
  step(figureElement, key) {
    const { chart, plot } = this.drawn.get(figureElement);
    const stops = stopsOf(chart);
    const at = chart.kind === "curve" ? plot.at : this.at;
    const here = (at ?? null) === null ? -1 : nearestTo(stops, at);
    const next = { ArrowRight: here + 1, ArrowLeft: here - 1, Home: 0, End: stops.length - 1 }[key];
    this.pinned = true;
    this.moveTo(figureElement, stops[Math.min(stops.length - 1, Math.max(0, next))]);
  }

  release() {
    this.pinned = false;
    for (const [figureElement, { chart }] of this.drawn) {
      if (chart.kind === "curve") this.moveTo(figureElement, null);
    }
    const [first] = this.drawn.keys();
    if (first) this.moveAll(null);
  }

  moveTo(figureElement, value) {
    const drawn = this.drawn.get(figureElement);
    if (!drawn) return;
    if (drawn.chart.kind === "curve") this.moveCurve(drawn, value);
    else this.moveAll(value, drawn);
  }

  moveCurve({ chart, plot, legend }, value) {
    plot.at = value;
    mark(plot, value);
    const step = value === null ? null : Math.min(chart.series[0].y.length - 1, Math.round(value * 8));
    chart.series.forEach((each, n) => legend[n].replaceChildren(step === null ? "" : withUnit(each.y[step], chart.unit)));
    this.announce(value === null ? "" : `${percent(1 - 2 ** (-step / 8))}: ${valueText(chart, legend)}`);
  }

  moveAll(value, source = null) {
    this.at = value;
    for (const [figureElement, { chart }] of this.drawn) if (chart.kind !== "curve") this.place(figureElement);
    this.announce(value === null ? "" : [timeText(source ? source.chart : {}, value), source && valueText(source.chart, source.legend)].filter(Boolean).join(": "));
  }

  place(figureElement) {
    const { chart, plot, legend } = this.drawn.get(figureElement);
    mark(plot, this.at);
    valuesAt(chart, this.at ?? (this.showsLast ? plot.x.high : null)).forEach((text, n) => legend[n].replaceChildren(text));
  }

  announce(text) {
    this.readout.textContent = text;
    this.readout.hidden = !text;
  }
}

function mark({ cursor, x }, value) {
  const isShown = value !== null && value >= x.low && value <= x.high;
  cursor.setAttribute("visibility", isShown ? "visible" : "hidden");
  if (!isShown) return;
  cursor.setAttribute("x1", x.at(value));
  cursor.setAttribute("x2", x.at(value));
}

// The value of each entry of the legend at a time; empty without one.
function valuesAt(chart, at) {
  if (chart.kind === "heat") return [heatAt(chart, at)];
  if (at === null) return chart.series.map(() => "");
  const slot = nearestTo(chart.x, at);
  return chart.series.map((each) => withUnit(chart.sparse ? lastSample(each.y, slot) : each.y[slot], chart.unit));
}

// Some values are sampled less often than others.
function lastSample(values, slot) {
  for (let n = slot; n >= 0; n -= 1) if (values[n] !== null) return values[n];
  return values.find((value) => value !== null);
}

function heatAt(chart, at) {
  const slot = at === null ? null : chart.slots.find(([start, length]) => at >= start && at < start + length);
  if (!slot) return "";
  const [, , cells] = slot;
  const count = sum(cells.filter((_, n) => n % 2));
  const [least, most] = edges(cells);
  return count ? `${figure(count)} ${count === 1 ? "request" : "requests"} of ${figure(least)} to ${figure(most)} ${chart.unit}` : "no response";
}

function valueText(chart, legend) {
  if (chart.kind === "heat") return legend[0].textContent;
  return chart.series.map((each, n) => `${each.name} ${legend[n].textContent}`).join(", ");
}

function stopsOf(chart) {
  if (chart.kind === "curve") return chart.series[0].y.map((_, step) => step / 8);
  return chart.kind === "heat" ? chart.slots.map(([start, length]) => start + length / 2) : chart.x;
}

function nearestTo(sorted, value) {
  let [low, high] = [0, sorted.length - 1];
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if (sorted[middle] > value) high = middle;
    else low = middle;
  }
  return value - sorted[low] <= sorted[high] - value ? low : high;
}
