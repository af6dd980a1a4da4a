// Tables that are sorted by the column whose heading is pressed; a row of totals stays first.

const UNSORTED = ".waterfall, .plans";

function makeSortable(table) {
  const body = table.tBodies[0];
  if (!body || body.rows.length < 2 || table.matches(UNSORTED)) return;
  for (const heading of table.tHead.rows[0].cells) {
    if (!heading.textContent) continue;
    const button = document.createElement("button");
    button.type = "button";
    button.className = "sort";
    button.append(...heading.childNodes);
    heading.append(button);
    button.addEventListener("click", () => sortBy(body, heading));
  }
}

// A column of numbers begins with the largest, one of words with the first.
function sortBy(body, heading) {
  const column = heading.cellIndex;
  const rows = [...body.rows].filter((row) => !row.matches(".total"));
  const values = new Map(rows.map((row) => [row, sortValue(row.cells[column])]));
  const numeric = [...values.values()].some((value) => typeof value === "number");
  const now = heading.getAttribute("aria-sort");
  const order = now ? { ascending: "descending", descending: "ascending" }[now] : numeric ? "descending" : "ascending";
  for (const each of heading.parentElement.cells) each.removeAttribute("aria-sort");
  heading.setAttribute("aria-sort", order);
  body.append(...rows.sort((one, other) => compareValues(values.get(one), values.get(other), order === "ascending" ? 1 : -1)));
}

// The first number of a cell, such as 1234 of "1,234" and 12 of "~12.0 / 40.1"; else its words.
function sortValue(cell) {
  const box = cell.querySelector("input[type=checkbox]");
  if (box) return Number(box.checked);
  const text = cell.textContent.trim();
  if (!cell.matches(".number, .numbers")) return text;
  const value = parseFloat(text.replace(/[~,+]/g, ""));
  return Number.isNaN(value) ? null : value;
}

// What was not measured comes last.
function compareValues(one, other, sign) {
  if (one === null || other === null) return Number(one === null) - Number(other === null);
  return sign * (typeof one === "number" ? one - other : one.localeCompare(other, "en", { numeric: true }));
}

document.querySelectorAll("main table").forEach(makeSortable);
