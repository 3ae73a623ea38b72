// Sorts the runs by a column: a click on its heading, again for the other way round.
"use strict";
for (const table of document.querySelectorAll("table.sortable")) {
  const heads = [...table.tHead.rows[0].cells];
  const known = (key) => key !== undefined && key !== "";
  const number = (key) => (known(key) && isFinite(key) ? Number(key) : NaN);

  function compare(a, b) {
    const [x, y] = [number(a), number(b)];
    return isNaN(x) || isNaN(y) ? a.localeCompare(b) : x - y;
  }

  function sort(column, sign) {
    const key = (body) => body.rows[0].cells[column].dataset.key;
    const bodies = [...table.tBodies];
    const [have, lack] = [bodies.filter((b) => known(key(b))), bodies.filter((b) => !known(key(b)))];
    have.sort((a, b) => sign * compare(key(a), key(b)));
    table.append(...have, ...lack); // what is not known stays at the end
  }

  heads.forEach((head, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener("click", () => {
      const order = head.getAttribute("aria-sort") === "ascending" ? "descending" : "ascending";
      for (const other of heads) other.removeAttribute("aria-sort");
      head.setAttribute("aria-sort", order);
      sort(column, order === "ascending" ? 1 : -1);
    });
  });
}
