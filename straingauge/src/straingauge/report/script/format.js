// Numbers and units as text, with three significant digits and separated thousands, as in `number_text`.

function figure(value) {
  if (value === null || value === undefined) return "–";
  const size = Math.abs(value);
  if (size >= 1e6) return `${trimmed(value / 1e6)} M`;
  return trimmed(value);
}

function trimmed(value) {
  const size = Math.abs(value);
  if (size >= 100) return Math.round(value).toLocaleString("en-US");
  return String(Number(value.toPrecision(3)));
}

// With a short unit: the title of the chart has all of it.
function withUnit(value, unit) {
  const [first] = unit.split(" ");
  const short = ["ms", "MB"].includes(first) ? ` ${first}` : ["/s", "%"].includes(first) ? first : "";
  return value === null || value === undefined ? "–" : `${figure(value)}${short}`;
}

// Time since the start of the load.
function elapsed(seconds) {
  if (seconds < 60) return `${trimmed(Math.round(seconds * 100) / 100)} s`;
  const whole = Math.round(seconds);
  const [hours, minutes] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60];
  const rest = String(whole % 60).padStart(2, "0");
  return hours ? `${hours}:${String(minutes).padStart(2, "0")}:${rest} h` : `${minutes}:${rest} min`;
}

function roundElapsed(seconds) {
  if (seconds >= 3600 && seconds % 3600 === 0) return `${seconds / 3600} h`;
  return seconds >= 60 && seconds < 3600 && seconds % 60 === 0 ? `${seconds / 60} min` : elapsed(seconds);
}

function percent(share) {
  if (share >= 1) return "100%";
  const digits = Math.max(0, Math.ceil(-Math.log10(1 - share) - 2 - 1e-9));
  return `${(100 * share).toFixed(digits)}%`;
}
