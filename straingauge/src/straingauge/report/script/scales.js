// From values to positions in a chart and back, and the ticks of axes.

function linear([low, high], [from, to]) {
  const factor = (to - from) / (high - low || 1);
  return {
    low, high,
    at: (value) => from + (value - low) * factor,
    value: (place) => low + (place - from) / factor,
    ticks: (count) => evenTicks(low, high, count),
  };
}

function logarithmic([low, high], [from, to]) {
  const factor = (to - from) / (Math.log(high / low) || 1);
  return {
    low, high,
    at: (value) => from + Math.log(Math.max(value, low) / low) * factor,
    value: (place) => low * Math.exp((place - from) / factor),
    ticks: (count) => decadeTicks(low, high, count),
  };
}

function evenTicks(low, high, count) {
  const rough = (high - low) / count || 1;
  const unit = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((each) => each * unit).find((each) => each >= rough * 0.999);
  return multiples(low, high, step);
}

function multiples(low, high, step) {
  const ticks = [];
  for (let n = Math.ceil(low / step - 1e-9); n * step <= high + step * 1e-9; n += 1) {
    ticks.push(Number((n * step).toPrecision(12)));
  }
  return ticks;
}

function decadeTicks(low, high, count) {
  const all = [];
  for (let unit = 10 ** Math.floor(Math.log10(low)); unit <= high; unit *= 10) {
    all.push(...[1, 2, 5].map((each) => Number((each * unit).toPrecision(3))));
  }
  const within = all.filter((each) => each >= low && each <= high);
  const decades = within.filter((each) => Math.abs(Math.log10(each) % 1) < 1e-9);
  return within.length > count + 3 && decades.length > 1 ? decades : within;
}

// The range of all charts of one kind, so that they share an axis side by side.
function extent(charts) {
  const values = charts.flatMap(valuesOf).filter((value) => value !== null && Number.isFinite(value));
  const log = charts[0].log;
  const usable = log ? values.filter((value) => value > 0) : values;
  if (!usable.length) return log ? [1, 10] : [0, 1];
  let [low, high] = [Math.min(...usable), Math.max(...usable)];
  const reach = log ? high * 12 : high * 1.6;
  for (const limit of charts.flatMap((chart) => chart.limits || [])) {
    if (limit.y <= reach) high = Math.max(high, limit.y);
  }
  if (log) return [low / 1.3, high * 1.3];
  if (charts[0].zero === false) {
    const room = Math.max(high - low, high * 0.05) * 0.15;
    return [Math.max(0, low - room), high + room];
  }
  return [0, high * 1.1 || 1];
}

function valuesOf(chart) {
  if (chart.placeholder) return [];
  if (chart.kind === "heat") return chart.slots.flatMap(([, , cells]) => edges(cells));
  if (chart.kind === "stack") return chart.x.map((_, slot) => sum(chart.series.map((each) => each.y[slot])));
  const dots = (chart.dots || []).map(([, y]) => y);
  return [...chart.series.flatMap((each) => each.y), ...dots];
}

function edges(cells) {
  if (!cells.length) return [];
  return [bucketEdge(cells[0]), bucketEdge(cells[cells.length - 2] + 1)];
}

// Lower edge of a heatmap's bucket, in ms: 8 equal buckets per octave of nanoseconds.
function bucketEdge(bucket) {
  return 2 ** (bucket >> 3) * (1 + (bucket & 7) / 8) / 1e6;
}

function sum(values) {
  return values.reduce((total, value) => total + (value || 0), 0);
}
