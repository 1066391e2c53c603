// The connections: all of them, and the table, in which only those in view are drawn.

import { ageCell, bytesCell, countCell, element, fill, setAttribute, setText, textCell } from "./document.js";
import { count, seconds } from "./words.js";

const CALM = 2; // seconds after the pointer or a finger moved over the rows until they change places again
const SPARE = 8; // rows above and below those in view
const FALLBACK_ROW = 28; // pixels, while no row has been drawn that could be measured

/** One row of the table, from the array that the server sends. */
class Connection {
  constructor(row, arrival) {
    this.arrival = arrival;
    this.update(row);
  }

  update([id, peer, host, transport, tls, opened, active, messages, received, sent]) {
    Object.assign(this, { id, peer, host, transport, tls, opened, active, messages, received, sent });
    const [number, worker = "0"] = id.split(".").reverse(); // "17", or "2.17": worker 2's 17th
    this.number = Number(worker) * 2 ** 40 + Number(number);
    this.words = [id, peer, host, transport, tls].join("\n").toLowerCase();
    this.open = true;
  }
}

export class Connections {
  #byId = new Map();
  #arrivals = 0;

  get size() {
    return this.#byId.size;
  }

  [Symbol.iterator]() {
    return this.#byId.values();
  }

  replace(rows) {
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
      const known = this.#byId.get(row[0]);
      if (known) known.update(row);
      else this.#byId.set(row[0], new Connection(row, ++this.#arrivals));
    }
  }

  change({ id, messages, received, sent }, time) {
    for (let index = 0; index < id.length; index++) {
      const connection = this.#byId.get(id[index]);
      if (!connection) continue;
      if (connection.received !== received[index]) connection.active = time;
      connection.messages = messages[index];
      connection.received = received[index];
      connection.sent = sent[index];
    }
  }
}

/**
 * What the columns show, by which key they sort, and whether that changes while a connection is open.
 *
 * Ages grow with the time, and so with what comes before it.
 */
const COLUMNS = [
  { cell: (c) => [c.id, "number"], key: (c) => c.number },
  { cell: (c) => textCell(c.peer), key: (c) => c.peer },
  { cell: (c) => textCell(c.host), key: (c) => c.host },
  { cell: (c) => textCell(c.transport), key: (c) => c.transport },
  { cell: (c) => textCell(c.tls), key: (c) => c.tls },
  { cell: (c, now) => ageCell(now, c.opened), key: (c) => -c.opened },
  { cell: (c) => countCell(c.messages), key: (c) => c.messages, changes: true },
  { cell: (c) => bytesCell(c.received), key: (c) => c.received, changes: true },
  { cell: (c) => bytesCell(c.sent), key: (c) => c.sent, changes: true },
  { cell: (c, now) => ageCell(now, c.active), key: (c) => -c.active, changes: true },
];

/**
 * The connections in order, of which only those in view are in the document.
 *
 * Where somebody reads, rows don't change places: while the table has the focus, or a pointer moves over it, new ones
 * come at the end.
 */
export class ConnectionTable {
  #connections;
  #requestFrame;
  #order = [];
  #column = COLUMNS[0];
  #descending = true;
  #wanted = "";
  #touched = -Infinity;
  #rowHeight = FALLBACK_ROW;
  #now = 0;
  #region = element("rows");
  #table = this.#region.querySelector("table");
  #rows = this.#region.querySelector(".rows");
  #spaces = [...this.#region.querySelectorAll(".space td")];
  #headers = [...this.#table.querySelectorAll("th")];

  /** @param requestFrame: has the table drawn soon. */
  constructor(connections, requestFrame) {
    this.#connections = connections;
    this.#requestFrame = requestFrame;
    this.#headers.forEach((header, index) => header.firstChild.addEventListener("click", () => this.#sortBy(index)));
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
    this.#wanted = text.trim().toLowerCase();
    this.replace();
    this.#region.scrollTop = 0;
  }

  /** Begin anew: with other connections, or another filter. */
  replace() {
    this.#order = [];
    this.#add();
    this.#sort();
    this.#requestFrame();
  }

  /** Take what has been opened, closed and changed. */
  update(now) {
    this.#now = now;
    const anchor = this.#anchor();
    this.#order = this.#order.filter((connection) => connection.open);
    this.#add();
    if (!this.#held) this.#sort();
    this.#returnTo(anchor);
  }

  /** Say how many there are, and how many are looked at. */
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
    fill(this.#rows, drawn.map((connection) => COLUMNS.map((column) => column.cell(connection, this.#now))));
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
      if (!known.has(connection) && connection.words.includes(this.#wanted)) this.#order.push(connection);
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

  /** Sort by a column: at first numbers from the largest and text from the first, then the other way. */
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

  /** The row at the top of the view, if what is being read there should stay, and by how much it is cut off. */
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
