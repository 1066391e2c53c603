// Helpers that change the document, and only those nodes that have to change.
//
// All text reaches the document as text nodes and attribute values.

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

/** Add a header to a table. One with a function for clicks is a button. */
export function addHeader(table, heading, style, onClick = null) {
  const header = append(table.tHead.rows[0], "th", style);
  header.scope = "col";
  if (onClick) {
    const button = append(header, "button");
    button.type = "button";
    button.addEventListener("click", onClick);
  }
  setText(header.firstChild ?? header, heading);
  return header;
}

/**
 * Make a table's body show items, one a row.
 *
 * @param columns: objects with the class of the column's cells, `style`, and a function `cell`, which is called with
 *   the item and what else was given, and returns an array: the cell's text, and its title if it has one.
 */
export function fill(body, columns, items, ...given) {
  while (body.rows.length > items.length) body.lastChild.remove();
  items.forEach((item, index) => {
    const row = body.rows[index] ?? append(body, "tr");
    columns.forEach((column, place) => {
      const [text, title = ""] = column.cell(item, ...given);
      const cell = row.cells[place] ?? append(row, "td", column.style);
      setText(cell, text);
      if (cell.title !== title) cell.title = title;
    });
  });
}

export const textCell = (text) => [text || "–", text];
export const ageCell = (now, then) => [duration(now - then), moment.format(then * 1000)];
export const countCell = (number) => [count(number)];
export const bytesCell = (number) => [bytes(number), `${count(number)} bytes`];

/** Have a screen reader say a text. It is for changes, not for what changes every second. */
export function announce(text) {
  setText(element("announcer"), text);
}
