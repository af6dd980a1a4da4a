// The time axis of charts: the time since the start of the load, or the clock time where it ran.

let showsClock = false; // in all charts of the page whose result says when its load began

const DAY_S = 86400;
const TIME_STEPS = [0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400];

// The choice between both; `redraw` is called after it.
function followTimeAxis(choice, redraw) {
  choice.addEventListener("change", ({ target }) => {
    showsClock = target.value === "clock";
    redraw();
  });
}

// Without a clock there is no choice. Runs may be of machines in different time zones.
function offerClocks(choice, clocks) {
  const zones = [...new Set(clocks.filter(Boolean).map(({ zone }) => zone))];
  choice.hidden = !zones.length;
  choice.querySelector(".zone").textContent = zones.join(", ");
}

function clockOf(chart) {
  return (showsClock && chart.kind !== "curve" && chart.clock) || null;
}

// Round instants, each with its label: of the load, or of the clock.
function timeMarks([from, to], count, clock) {
  const step = TIME_STEPS.find((each) => (to - from) / each <= count) || DAY_S;
  const shift = clock ? clock.start_s % DAY_S : 0;
  return multiples(from + shift, to + shift, step).map((at) => {
    const seconds = at - shift;
    return [seconds, clock ? clockText(clock, seconds, step) : roundElapsed(seconds)];
  });
}

// Hours and minutes; with seconds and their tenths if the step between labels needs them.
function clockText({ start_s: start }, seconds, step = 0) {
  const end = { minutes: 16, seconds: 19, tenths: 21 }[step >= 60 ? "minutes" : step >= 1 ? "seconds" : "tenths"];
  return isoText(start + seconds).slice(11, end);
}

// An instant in words, as the axis counts it.
function timeText(chart, seconds) {
  const clock = clockOf(chart);
  const passed = `${elapsed(seconds)} after the start`;
  if (!clock) return passed;
  const text = isoText(clock.start_s + seconds);
  return `${text.slice(0, 10)} ${text.slice(11, 21)} ${clock.zone} (${passed})`;
}

// `start_s` is in the time zone of the run, which the browser's has nothing to do with.
function isoText(seconds) {
  return new Date(Math.round(seconds * 1000)).toISOString();
}
