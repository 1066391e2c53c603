// The document, in which nothing is touched that stays as it is.
//
// All text reaches it as text nodes and attribute values.

import { bytes, count, duration, moment } from "./words.js";

export const element = (id) => document.getElementById(id);

export function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

export function setAttribute(node, name, value) {
  if (node.getAttribute(name) !== String(value)) node.setAttribute(name, value);
}

function append(parent, tag, className = "") {
  const node = document.createElement(tag);
  if (className) node.className = className;
  return parent.appendChild(node);
}

/** Make a table's body show rows; a row is an array of cells, and a cell is [text, class, title]. */
export function fill(body, rows) {
  while (body.rows.length > rows.length) body.lastChild.remove();
  rows.forEach((cells, index) => {
    const row = body.rows[index] ?? append(body, "tr");
    cells.forEach(([text, className = "", title = ""], column) => {
      const cell = row.cells[column] ?? append(row, "td", className);
      setText(cell, text);
      if (cell.title !== title) cell.title = title;
    });
  });
}

export const textCell = (text) => [text || "–", "", text];
export const ageCell = (now, then) => [duration(now - then), "number", moment.format(then * 1000)];
export const countCell = (number) => [count(number), "number"];
export const bytesCell = (number) => [bytes(number), "number", `${count(number)} bytes`];

/** What a screen reader is told: what has changed, never what ticks. */
export function announce(text) {
  setText(element("announcer"), text);
}
