// A chart as a PNG, with its title and legend, as the page shows it: in its theme, zoom and selection.

const PICTURE_SCALE = 2; // sharp on paper and on dense screens
const HEAD = { title: 22, row: 18 }; // heights above the chart, in pixels
const PAINT = ["fill", "stroke", "stroke-width", "stroke-dasharray", "opacity", "paint-order", "font-family", "font-size", "font-style"];

// A picture has no style sheet: each part gets the style that it has on the page.
function withStyles(shown) {
  const copy = shown.cloneNode(true);
  const copies = copy.querySelectorAll("*");
  shown.querySelectorAll("*").forEach((part, number) => {
    const style = getComputedStyle(part);
    for (const name of PAINT) copies[number].style.setProperty(name, style.getPropertyValue(name));
  });
  return copy;
}

// The words of an entry, without its value at the cursor.
function wordsOf(entry) {
  const copy = entry.cloneNode(true);
  copy.querySelectorAll("b, svg").forEach((each) => each.remove());
  return copy.textContent.trim();
}

function backgroundOf(part) {
  const colour = getComputedStyle(part).backgroundColor;
  return colour === "rgba(0, 0, 0, 0)" && part.parentElement ? backgroundOf(part.parentElement) : colour;
}

// The chart below its title and the series that are not hidden, as SVG.
function pictureSource(figureElement, pen) {
  const shown = figureElement.querySelector(".canvas > svg");
  const { width, height } = shown.viewBox.baseVal;
  const { color, fontFamily } = getComputedStyle(document.body);
  const text = (words, x, y, weight = 400) =>
    element("text", { x, y, style: `font: ${weight} 12px ${fontFamily}; fill: ${color}` }, words);
  const { title, unit } = figureElement.drawn;
  const parts = [text(unit ? `${title}, ${unit}` : title, 6, 16, 650)];
  let [x, y] = [6, HEAD.title + 13];
  pen.font = `12px ${fontFamily}`;
  for (const entry of figureElement.querySelectorAll(".legend li:not(:has([aria-pressed=false]))")) {
    const mark = entry.querySelector("svg");
    const words = wordsOf(entry);
    const before = mark ? 26 : 0;
    const room = before + pen.measureText(words).width;
    if (x > 6 && x + room > width) [x, y] = [6, y + HEAD.row];
    if (mark) {
      const copy = withStyles(mark);
      copy.setAttribute("x", x);
      copy.setAttribute("y", y - 10);
      parts.push(copy);
    }
    parts.push(text(words, x + before, y));
    x += room + 16;
  }
  const chart = withStyles(shown);
  chart.setAttribute("y", y + 8);
  const size = { width, height: y + 8 + height };
  const panel = element("rect", { ...size, style: `fill: ${backgroundOf(figureElement)}` });
  const root = element("svg", { ...size, viewBox: `0 0 ${size.width} ${size.height}` }, panel, ...parts, chart);
  return { ...size, text: new XMLSerializer().serializeToString(root) };
}

async function pictureOf(figureElement) {
  const canvas = document.createElement("canvas");
  const pen = canvas.getContext("2d");
  const { width, height, text } = pictureSource(figureElement, pen);
  const image = new Image();
  image.src = `data:image/svg+xml;charset=utf-8,${encodeURIComponent(text)}`;
  await image.decode();
  canvas.width = width * PICTURE_SCALE;
  canvas.height = height * PICTURE_SCALE;
  pen.scale(PICTURE_SCALE, PICTURE_SCALE);
  pen.drawImage(image, 0, 0, width, height);
  return new Promise((resolve) => canvas.toBlob(resolve, "image/png"));
}
