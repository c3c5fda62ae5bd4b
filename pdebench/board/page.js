"use strict";
const say = (table, words) => {
  document.querySelector(`[data-speaks-of="${table.id}"]`).textContent = words;
};

for (const table of document.querySelectorAll("table.sortable")) {
  const heads = [...table.tHead.rows[0].cells];
  const body = table.tBodies[0];
  const key = (row, column) => {
    const text = row.cells[column].dataset.order;
    if (text === undefined) return null;
    return heads[column].dataset.text === undefined ? Number(text) : text;
  };
  const sort = (column) => {
    const head = heads[column];
    const first = head.dataset.first;
    const other = first === "ascending" ? "descending" : "ascending";
    const order = head.getAttribute("aria-sort") === first ? other : first;
    const sign = order === "ascending" ? 1 : -1;
    const rows = [...body.rows].map((row) => [key(row, column), row]);
    rows.sort(([a], [b]) => {
      if (a === null || b === null) return (a === null) - (b === null);
      if (a === b) return 0;
      return (typeof a === "string" ? a.localeCompare(b) : a < b ? -1 : 1) * sign;
    });
    for (const h of heads) h.removeAttribute("aria-sort");
    head.setAttribute("aria-sort", order);
    body.append(...rows.map(([, row]) => row));
    say(table, "Sorted by " + head.textContent + ", " + order + ".");
  };
  heads.forEach((head, column) => head.firstElementChild?.addEventListener("click", () => sort(column)));
}

for (const input of document.querySelectorAll("input[data-filters]")) {
  const table = document.getElementById(input.dataset.filters);
  const filter = () => {
    const words = input.value.toLowerCase().split(/\s+/).filter(Boolean);
    const rows = [...table.tBodies[0].rows];
    for (const row of rows) {
      const text = row.textContent.toLowerCase();
      row.hidden = !words.every((word) => text.includes(word));
    }
    say(table, rows.filter((row) => !row.hidden).length + " of " + rows.length + " rows shown.");
  };
  input.addEventListener("input", filter);
  if (input.value) filter();
}
