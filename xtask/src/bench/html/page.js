"use strict";

// The order of rows by their keys, each a number, a text, or null, which comes last either way. Equal ones stay as they are.
function ordered(keys, descending) {
  const places = keys.map((_, at) => at);
  return places.sort((one, other) => {
    const [a, b] = [keys[one], keys[other]];
    if (a === null || b === null) return (a === null) - (b === null);
    const by = typeof a === "number" && typeof b === "number" ? a - b : String(a).localeCompare(String(b), "en", { numeric: true });
    return descending ? -by : by;
  });
}

// What a cell is ordered by.
function key(cell) {
  if (cell.dataset.value !== undefined) return Number(cell.dataset.value);
  const text = cell.textContent.trim();
  return text === "" ? null : text;
}

// Puts a button above each column: up, down, and as it was.
function makeSortable(table) {
  const body = table.tBodies[0];
  const heads = Array.from(table.tHead.rows[0].cells);
  const original = Array.from(body.rows);
  heads.forEach((head, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener("click", () => {
      const next = { ascending: "descending", descending: null }[head.getAttribute("aria-sort")];
      const direction = next === undefined ? "ascending" : next;
      heads.forEach((other) => other.removeAttribute("aria-sort"));
      if (direction === null) return body.append(...original);
      head.setAttribute("aria-sort", direction);
      const places = ordered(original.map((row) => key(row.cells[column])), direction === "descending");
      body.append(...places.map((at) => original[at]));
    });
  });
}

// The words about what differs between two runs, as the program writes them.
function differ(old, other) {
  const differing = old.facts.flatMap(([name, value], at) =>
    value === other.facts[at][1] ? [] : [`${name} (${value}; ${other.facts[at][1]})`]);
  return differing.length === 0 ? "Nothing is said to differ in machine and inputs." : `They differ in: ${differing.join(", ")}.`;
}

function cell(tag, text, figures, value) {
  const made = document.createElement(tag);
  made.textContent = text;
  if (tag === "th") made.scope = "row";
  else made.className = figures ? "figures" : "words";
  if (value !== undefined) made.dataset.value = value;
  return made;
}

// Shows the pair that is chosen; the older of both is always the one below the line of the ratio.
function showPair(data, choice, table) {
  const chosen = ["old", "new"].map((id) => Number(choice.elements[id].value));
  const [old, newer] = chosen.sort((one, other) => one - other);
  const pair = data.pairs.find((one) => one.old === old && one.new === newer);
  const only = choice.elements.differing.checked;
  const note = document.getElementById("differ");
  const body = document.createElement("tbody");
  if (pair === undefined) {
    note.textContent = "That is one run. Choose another beside it.";
  } else {
    note.textContent = differ(data.runs[old], data.runs[newer]);
    for (const [subject, place, metric, samples, shown, median, says] of pair.rows) {
      const words = data.words[says];
      if (only && words !== "better" && words !== "worse") continue;
      const row = body.insertRow();
      row.append(
        cell("th", data.words[subject]),
        cell("td", data.words[place], false),
        cell("td", data.words[metric], false),
        cell("td", samples, true, samples),
        cell("td", shown, true, median),
        cell("td", words, false),
      );
    }
    if (body.rows.length === 0) note.textContent += only ? " No difference is significant." : " They have no suite in common.";
    table.caption.textContent = `${data.runs[newer].name} for each of ${data.runs[old].name}`;
  }
  const fresh = table.cloneNode(true);
  fresh.tHead.querySelectorAll("th").forEach((head) => {
    head.removeAttribute("aria-sort");
    head.textContent = head.textContent;
  });
  fresh.tBodies[0].replaceWith(body);
  table.replaceWith(fresh);
  makeSortable(fresh);
}

if (typeof document !== "undefined") {
  document.querySelectorAll("table.sortable").forEach(makeSortable);
  const choice = document.getElementById("choice");
  if (choice !== null) {
    const data = JSON.parse(document.getElementById("pairs").textContent);
    choice.hidden = false;
    document.querySelectorAll(".without-script").forEach((note) => note.remove());
    choice.addEventListener("change", () => showPair(data, choice, document.querySelector("#pair table")));
    // Some browsers keep what was chosen before a page was loaded again.
    choice.reset();
  }
}
