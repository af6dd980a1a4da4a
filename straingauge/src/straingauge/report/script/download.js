// The data of a chart and its picture as a file, from the page itself.

const DOWNLOADS = {
  csv: (figureElement) => new Blob([csvOf(figureElement.drawn)], { type: "text/csv" }),
  json: (figureElement) => new Blob([JSON.stringify(figureElement.drawn, null, 1)], { type: "application/json" }),
  png: pictureOf,
};

// The buttons stay when the chart is drawn again, so that they keep the focus.
function addDownloads(figureElement, chart) {
  const present = figureElement.querySelector(".downloads");
  if (present) present.hidden = Boolean(chart.placeholder);
  figureElement.drawn = chart;
  if (present || chart.placeholder) return;
  const place = document.createElement("span");
  place.className = "downloads";
  for (const [suffix, blobOf] of Object.entries(DOWNLOADS)) {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = suffix.toUpperCase();
    button.setAttribute("aria-label", `Download ${chart.title} as ${suffix.toUpperCase()}`);
    button.addEventListener("click", async () => {
      download(`${figureElement.id || figureElement.drawn.id}.${suffix}`, await blobOf(figureElement));
    });
    place.append(button);
  }
  figureElement.querySelector(".legend").before(place); // floats to the right of the title
}

function download(name, blob) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}

function csvOf(chart) {
  return tableOf(chart).map((row) => `${row.map(csvCell).join(",")}\r\n`).join("");
}

function tableOf(chart) {
  if (chart.kind === "heat") {
    const cells = chart.slots.flatMap(([start, length, counts]) => counts.flatMap((bucket, n) =>
      (n % 2 ? [] : [[start, length, bucketEdge(bucket), bucketEdge(bucket + 1), counts[n + 1]]])));
    return [["start_s", "duration_s", `from_${chart.unit}`, `to_${chart.unit}`, "requests"], ...cells];
  }
  const head = chart.series.map((each) => (chart.unit ? `${each.name} (${chart.unit})` : each.name));
  const [across, places] = chart.kind === "curve"
    ? ["percentile", chart.series[0].y.map((_, step) => 100 * (1 - 2 ** (-step / 8)))]
    : ["t_s", chart.x];
  return [[across, ...head], ...places.map((place, slot) => [place, ...chart.series.map((each) => each.y[slot] ?? null)])];
}

// A name that a spreadsheet would take for a formula begins with an apostrophe.
function csvCell(value) {
  if (value === null) return "";
  if (typeof value === "number") return String(value);
  const text = /^[=+\-@\t\r]/.test(value) ? `'${value}` : value;
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
