"use strict";
// All trials as a table: sorted by a column, some at a time, linked with the charts.

const AT_A_TIME = 40;
const table = { column: "number", rising: true, rows: AT_A_TIME };

function tableColumns() {
  return [
    { key: "number", title: "trial" },
    ...report.metrics.map((name) => ({ key: name, title: name })),
    ...report.terms.map((term) => ({ key: `relative/${term}`, title: `weight ${term}` })),
    ...report.chosen.map((name) => ({ key: name, title: name })),
    ...report.terms.map((term) => ({ key: `decrease/${term}`, title: `drive ${term}`, percent: true })),
    { key: "outcome", title: "outcome" },
    { key: "driver", title: "driven by" },
  ].filter((column) => column.key in report.trials);
}

function sortedTrials() {
  const key = table.column;
  const sign = table.rising ? 1 : -1;
  const kept = state.brushed === null ? trials : trials.filter((trial) => state.brushed.has(trial.number));
  return [...kept].sort((one, other) => {
    const [a, b] = [one[key], other[key]];
    if (a === b) return one.number - other.number;
    if (a === null || a === undefined) return 1;
    if (b === null || b === undefined) return -1;
    return a < b ? -sign : sign;
  });
}

function drawTable() {
  const place = document.getElementById("trials");
  const columns = tableColumns();
  const head = element("tr");
  for (const column of columns) {
    const on = table.column === column.key;
    const button = element("button", { type: "button" }, column.title + (on ? (table.rising ? " ▲" : " ▼") : ""));
    button.addEventListener("click", () => {
      table.rising = on ? !table.rising : true;
      table.column = column.key;
      drawTable();
    });
    const sort = on ? (table.rising ? "ascending" : "descending") : "none";
    head.append(element("th", { scope: "col", "aria-sort": sort }, button));
  }
  const body = element("tbody");
  const found = sortedTrials();
  for (const trial of found.slice(0, table.rows)) body.append(tableRow(trial, columns));
  place.replaceChildren(element("table", {}, element("thead", {}, head), body));
  const more = document.getElementById("more");
  more.hidden = found.length <= table.rows;
  more.textContent = `show more (${table.rows} of ${found.length} are shown)`;
}

function tableRow(trial, columns) {
  const row = element("tr", { "data-trial": trial.number, class: trial.number === state.current ? "selected" : "" });
  for (const column of columns) {
    const value = trial[column.key];
    if (column.key === "number") {
      const star = report.front.includes(value) ? " ●" : "";
      row.append(element("td", {}, element("button", { type: "button", class: "link select", "data-trial": value }, String(value)), star));
    } else if (column.percent) {
      row.append(element("td", {}, typeof value === "number" ? `${Math.round(100 * value)}%` : "–"));
    } else {
      row.append(element("td", {}, column.key === "outcome" ? shown(value).toLowerCase() : shown(value)));
    }
  }
  return row;
}

function startTable() {
  document.getElementById("more").addEventListener("click", () => {
    table.rows += 5 * AT_A_TIME;
    drawTable();
  });
  onChange((why) => {
    if (why === "brushed") { drawTable(); return; }
    for (const row of document.querySelectorAll("#trials tr[data-trial]")) {
      row.classList.toggle("selected", Number(row.dataset.trial) === state.current);
    }
  });
  drawTable();
}
