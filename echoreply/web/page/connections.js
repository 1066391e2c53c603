// The connections: all of them, and the table, in which only the rows in view are drawn.

import {
  addHeader, ageCell, bytesCell, countCell, element, fill, setAttribute, setText, textCell,
} from "./document.js";
import { count, seconds } from "./words.js";

const CALM = 2; // seconds after the pointer or a finger moved over the rows until they may be sorted again
const SPARE = 8; // rows above and below those in view
const FALLBACK_ROW = 28; // pixels, while no row has been drawn that could be measured

/** One connection, with a property for each of the columns that the server sends. */
class Connection {
  constructor(values, arrival) {
    this.arrival = arrival;
    this.update(values);
  }

  update(values) {
    Object.assign(this, values);
    const [number, worker = "0"] = this.id.split(".").reverse(); // "17", or "2.17": worker 2's 17th
    this.number = Number(worker) * 2 ** 40 + Number(number);
    this.words = Object.values(values).filter((value) => typeof value === "string").join("\n").toLowerCase();
    this.open = true;
  }
}

export class Connections {
  #columns = []; // the names of the values in a row, as the server sends them
  #byId = new Map();
  #arrivals = 0;

  get size() {
    return this.#byId.size;
  }

  [Symbol.iterator]() {
    return this.#byId.values();
  }

  replace(columns, rows) {
    this.#columns = columns;
    this.close([...this.#byId.keys()]);
    this.open(rows);
  }

  close(ids) {
    for (const id of ids) {
      const connection = this.#byId.get(id);
      if (connection) connection.open = false;
      this.#byId.delete(id);
    }
  }

  open(rows) {
    for (const row of rows) {
      const values = Object.fromEntries(this.#columns.map((name, index) => [name, row[index]]));
      const known = this.#byId.get(values.id);
      if (known) known.update(values);
      else this.#byId.set(values.id, new Connection(values, ++this.#arrivals));
    }
  }

  /** Take new values: an array of ids, and one of values for each column that changes. */
  change({ id: ids, ...columns }, time) {
    ids.forEach((id, index) => {
      const connection = this.#byId.get(id);
      if (!connection) return;
      if (connection.received !== columns.received[index]) connection.active = time;
      for (const name in columns) connection[name] = columns[name][index];
    });
  }
}

/**
 * The columns: the heading, the class of the cells, what a cell shows, the key that rows are sorted by, and whether the
 * key changes while a connection is open. The keys of ages do not: they grow with the time, all by the same amount.
 */
const COLUMNS = [
  { heading: "#", style: "id number", cell: (c) => [c.id], key: (c) => c.number },
  { heading: "Client", style: "client", cell: (c) => textCell(c.client), key: (c) => c.client },
  { heading: "Server", style: "server", cell: (c) => textCell(c.server), key: (c) => c.server },
  { heading: "Transport", style: "transport", cell: (c) => textCell(c.transport), key: (c) => c.transport },
  { heading: "TLS", style: "tls", cell: (c) => textCell(c.tls), key: (c) => c.tls },
  { heading: "Age", style: "number", cell: (c, now) => ageCell(now, c.opened), key: (c) => -c.opened },
  { heading: "Messages", style: "number", cell: (c) => countCell(c.messages), key: (c) => c.messages, changes: true },
  { heading: "Bytes in", style: "number", cell: (c) => bytesCell(c.received), key: (c) => c.received, changes: true },
  { heading: "Bytes out", style: "number", cell: (c) => bytesCell(c.sent), key: (c) => c.sent, changes: true },
  { heading: "Idle", style: "number", cell: (c, now) => ageCell(now, c.active), key: (c) => -c.active, changes: true },
];

/**
 * The connections in order, of which only those in view are in the document.
 *
 * Rows keep their places while they are being read: while the table has the focus or a pointer moves over it, new rows
 * are added at the end.
 */
export class ConnectionTable {
  #connections;
  #requestFrame;
  #order = [];
  #column = COLUMNS[0];
  #descending = true;
  #filter = "";
  #touched = -Infinity;
  #rowHeight = FALLBACK_ROW;
  #now = 0;
  #region = element("rows");
  #table = this.#region.querySelector("table");
  #rows = this.#region.querySelector(".rows");
  #spaces = [...this.#region.querySelectorAll(".space td")];
  #headers;

  /** @param requestFrame: schedules a call of `draw`. */
  constructor(connections, requestFrame) {
    this.#connections = connections;
    this.#requestFrame = requestFrame;
    this.#headers = COLUMNS.map((column, index) =>
      addHeader(this.#table, column.heading, column.style, () => this.#sortBy(index)));
    setAttribute(this.#headers[0], "aria-sort", "descending");
    for (const space of this.#spaces) space.colSpan = COLUMNS.length;
    this.#region.addEventListener("scroll", requestFrame, { passive: true });
    for (const hand of ["wheel", "touchmove", "pointermove"]) {
      this.#region.addEventListener(hand, () => { this.#touched = seconds(); }, { passive: true });
    }
    new ResizeObserver(requestFrame).observe(this.#region);
  }

  get #held() {
    return document.activeElement === this.#region || seconds() - this.#touched < CALM;
  }

  filter(text) {
    this.#filter = text.trim().toLowerCase();
    this.replace();
    this.#region.scrollTop = 0;
  }

  /** Make the table of other connections, or with another filter. */
  replace() {
    this.#order = [];
    this.#add();
    this.#sort();
    this.#requestFrame();
  }

  /** Take the connections that have been opened, closed and changed. */
  update(now) {
    this.#now = now;
    const anchor = this.#anchor();
    this.#order = this.#order.filter((connection) => connection.open);
    this.#add();
    if (!this.#held) this.#sort();
    this.#returnTo(anchor);
  }

  /** Return how many connections there are, and how many of them the table has, as text. */
  summary(open) {
    const [shown, listed] = [this.#order.length, this.#connections.size];
    const more = open > listed ? `; ${count(listed)} of ${count(open)} are listed` : "";
    const held = this.#held && shown > 1 ? "; order held" : "";
    return `${count(shown)} of ${count(listed)} shown${more}${held}`;
  }

  draw() {
    const visible = Math.ceil(this.#region.clientHeight / this.#rowHeight);
    const top = Math.floor(this.#region.scrollTop / this.#rowHeight);
    const first = Math.max(0, Math.min(top, this.#order.length - visible) - SPARE);
    const last = Math.min(this.#order.length, first + visible + 2 * SPARE);
    const drawn = this.#order.slice(first, last);
    fill(this.#rows, COLUMNS, drawn, this.#now);
    for (let index = 0; index < drawn.length; index++) {
      setAttribute(this.#rows.rows[index], "aria-rowindex", first + index + 2); // the headers are row 1
    }
    this.#spaces[0].style.height = `${first * this.#rowHeight}px`;
    this.#spaces[1].style.height = `${(this.#order.length - last) * this.#rowHeight}px`;
    setAttribute(this.#table, "aria-rowcount", this.#order.length + 1);
    element("none").hidden = drawn.length > 0;
    setText(element("none"), this.#connections.size ? "No connection matches the filter." : "No connection is open.");
    const height = this.#rows.rows[0]?.getBoundingClientRect().height; // larger where text is
    if (height && Math.abs(height - this.#rowHeight) > 0.01) {
      this.#rowHeight = height;
      this.#requestFrame();
    }
  }

  #add() {
    const known = new Set(this.#order);
    for (const connection of this.#connections) {
      if (!known.has(connection) && connection.words.includes(this.#filter)) this.#order.push(connection);
    }
  }

  #sort() {
    const { key } = this.#column;
    const sign = this.#descending ? -1 : 1;
    this.#order.sort((a, b) => {
      const [left, right] = [key(a), key(b)];
      return left < right ? -sign : left > right ? sign : a.arrival - b.arrival;
    });
  }

  /** Sort by a column: numbers from the largest and text from the first, and the other way the second time. */
  #sortBy(index) {
    const header = this.#headers[index];
    const column = COLUMNS[index];
    this.#descending = column === this.#column ? !this.#descending : header.classList.contains("number");
    this.#column = column;
    this.#sort();
    for (const other of this.#headers) other.removeAttribute("aria-sort");
    setAttribute(header, "aria-sort", this.#descending ? "descending" : "ascending");
    this.#requestFrame();
  }

  /** Return the row at the top of the view, and the position of the view, if the row has to stay there. */
  #anchor() {
    const { scrollTop } = this.#region;
    if (scrollTop === 0 || (this.#column.changes && !this.#held)) return null;
    const index = Math.floor(scrollTop / this.#rowHeight);
    const connection = this.#order.slice(index).find((candidate) => candidate.open);
    return connection && { connection, index: this.#order.indexOf(connection), scrollTop };
  }

  #returnTo(anchor) {
    if (!anchor) return;
    const moved = this.#order.indexOf(anchor.connection) - anchor.index;
    if (!moved) return;
    this.#spaces[1].style.height = `${this.#order.length * this.#rowHeight}px`; // so that there is room to move
    this.#region.scrollTop = anchor.scrollTop + moved * this.#rowHeight;
  }
}
