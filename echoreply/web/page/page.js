// The live page: what the server tells once a second, drawn once a second.
//
// Text from the server may hold what a client chose, such as a certificate's subject. It reaches the document as text
// nodes and attribute values alone; the Content-Security-Policy allows no other script and no inline style.

const HISTORY = 600; // seconds that the charts show
const SILENCE = 5; // seconds without a beat, of which there is one a second, after which the server counts as gone
const RETRY = 1.5; // seconds until a stream that the server refused is asked for again
const GAP = 3; // seconds between two samples of the history that no line bridges
const CALM = 2; // seconds after the pointer or a finger moved over the rows until they change places again
const DESCRIBE = 5; // seconds between two descriptions of a chart
const SPARE = 8; // rows above and below those in view
const FALLBACK_ROW = 28; // pixels, while no row has been drawn that could be measured

const element = (id) => document.getElementById(id);
const seconds = () => Date.now() / 1000;

// ---- Numbers and times, for people

const grouped = new Intl.NumberFormat("en");
const compact = new Intl.NumberFormat("en", { notation: "compact", maximumFractionDigits: 1 });
const clock = new Intl.DateTimeFormat("sv", { hour: "2-digit", minute: "2-digit", second: "2-digit" });
const moment = new Intl.DateTimeFormat("sv", { dateStyle: "short", timeStyle: "medium" }); // as in RFC 3339, but local

const count = (number) => grouped.format(Math.round(number));
const timeOfDay = (time) => clock.format(time * 1000);

function bytes(number) {
  if (number < 1024) return `${Math.round(number)} B`;
  const power = Math.min(6, Math.floor(Math.log2(number) / 10));
  const scaled = number / 1024 ** power;
  return `${scaled.toFixed(scaled < 9.95 ? 2 : scaled < 99.95 ? 1 : 0)} ${"KMGTPE"[power - 1]}iB`;
}

function duration(length) {
  const s = Math.max(0, Math.floor(length));
  const two = (number) => String(number).padStart(2, "0");
  if (s < 60) return `${s} s`;
  if (s < 3600) return `${Math.floor(s / 60)} m ${two(s % 60)} s`;
  if (s < 86400) return `${Math.floor(s / 3600)} h ${two(Math.floor(s / 60) % 60)} m`;
  return `${Math.floor(s / 86400)} d ${Math.floor(s / 3600) % 24} h`;
}

// ---- The document: nothing is touched that stays as it is

function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

function setAttribute(node, name, value) {
  if (node.getAttribute(name) !== String(value)) node.setAttribute(name, value);
}

function append(parent, tag, className = "") {
  const node = document.createElement(tag);
  if (className) node.className = className;
  return parent.appendChild(node);
}

/** Make a table's body show rows; a row is an array of cells, and a cell is [text, class, title]. */
function fill(body, rows) {
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

const textCell = (text) => [text || "–", "", text];
const ageCell = (now, then) => [duration(now - then), "number", moment.format(then * 1000)];
const countCell = (number) => [count(number), "number"];
const bytesCell = (number) => [bytes(number), "number", `${count(number)} bytes`];

/** What a screen reader is told: what has changed, never what ticks. */
function announce(text) {
  setText(element("announcer"), text);
}

// ---- Connections

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

class Connections {
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
class ConnectionTable {
  #connections;
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

  constructor(connections) {
    this.#connections = connections;
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
    requestFrame();
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
      requestFrame();
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
    requestFrame();
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

// ---- Charts

/** Samples of the last ten minutes. Where there was nobody to tell, there are nulls, and the charts have gaps. */
class History {
  #server = "";
  #last = null;

  constructor() {
    this.#clear();
  }

  #clear() {
    this.#last = null;
    Object.assign(this, { time: [], replies: [], received: [], sent: [], open: [] });
  }

  /** Take a server's own history. What was drawn of the server before it stays. */
  replace(server, history) {
    if (server === this.#server) this.#clear();
    this.#server = server;
    this.#last = null;
    history.time.forEach((time, index) => {
      const { messages, received, sent, open } = history;
      this.add(time, { messages: messages[index], received: received[index], sent: sent[index], open: open[index] });
    });
  }

  add(time, totals) {
    const previous = this.time.at(-1);
    if (time < previous - GAP) this.#clear(); // a clock was set back
    else if (time <= previous) return;
    const follows = this.#last !== null && time - previous <= GAP;
    if (this.time.length && !follows) this.#push((previous + time) / 2, null, null, null, null);
    const rate = (name) => (follows ? Math.max(0, totals[name] - this.#last[name]) / (time - previous) : null);
    this.#push(time, rate("messages"), rate("received"), rate("sent"), totals.open);
    this.#last = totals;
    while (this.time[0] < time - HISTORY - GAP) {
      for (const column of [this.time, this.replies, this.received, this.sent, this.open]) column.shift();
    }
  }

  #push(time, replies, received, sent, open) {
    this.time.push(time);
    this.replies.push(replies);
    this.received.push(received);
    this.sent.push(sent);
    this.open.push(open);
  }
}

const CHARTS = [
  { id: "chart-replies", name: "Replies a second", lines: [["replies", ""]] },
  { id: "chart-bytes", name: "Bytes a second", lines: [["received", "in "], ["sent", "out "]], ofBytes: true },
  { id: "chart-open", name: "Open connections", lines: [["open", ""]] },
];
const POWERS = Array.from({ length: 60 }, (_, power) => 2 ** power);
const STEPS = Array.from({ length: 15 }, (_, power) => [1, 2, 2.5, 5].map((digit) => digit * 10 ** power)).flat();
const WHOLE = STEPS.filter(Number.isInteger);
const MINUTES = [10, 8, 6, 4, 2, 0];

/** A property of the style sheet; colours have other values in the dark. */
const property = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

class Chart {
  #name;
  #lines;
  #format;
  #now = 0;
  #described = -Infinity;
  #plot;
  #time;
  #values;
  #uplot;

  constructor({ id, name, lines, ofBytes = false }) {
    const figure = element(id);
    this.#name = name;
    this.#lines = lines;
    this.#format = ofBytes ? bytes : count;
    this.#time = figure.querySelector(".time");
    this.#values = [...figure.querySelectorAll("b")];
    this.#plot = figure.querySelector(".plot");
    this.#uplot = new uPlot(this.#options(ofBytes), [[], ...lines.map(() => [])], this.#plot);
    new ResizeObserver(() => this.#uplot.setSize(this.#size())).observe(this.#plot);
  }

  draw(history, now) {
    this.#now = now;
    const columns = this.#lines.map(([of]) => history[of]);
    this.#uplot.setData([history.time, ...columns]);
    this.#showValues();
    if (seconds() - this.#described < DESCRIBE) return;
    this.#described = seconds();
    const described = this.#lines.map(([, label], index) => {
      const known = columns[index].filter((value) => value !== null);
      if (!known.length) return "no data yet";
      const [least, most, last] = [Math.min(...known), Math.max(...known), known.at(-1)].map(this.#format);
      return `${label}now ${last}, at least ${least}, at most ${most}`;
    });
    setAttribute(this.#plot, "aria-label", `${this.#name}, the last ten minutes: ${described.join("; ")}`);
  }

  recolour() {
    this.#uplot.redraw();
  }

  /** Write the values under the pointer; without one, those of now. */
  #showValues() {
    if (!this.#uplot) return; // uPlot calls before its constructor has returned
    const [times, ...columns] = this.#uplot.data;
    const pointed = this.#uplot.cursor.idx ?? null;
    const index = pointed ?? times.length - 1;
    setText(this.#time, pointed === null ? "" : timeOfDay(times[index]));
    this.#values.forEach((node, line) => {
      const value = columns[line][index] ?? null;
      setText(node, value === null ? "–" : this.#format(value));
    });
  }

  #size() {
    return { width: Math.max(1, this.#plot.clientWidth), height: Math.max(1, this.#plot.clientHeight) };
  }

  #options(ofBytes) {
    const axis = { stroke: () => property("--muted"), font: `11px ${property("--sans")}`, ticks: { show: false } };
    const label = (value) => (ofBytes ? bytes(value).replace(/\.0+ |(\.\d)0 /, "$1 ") : compact.format(value));
    const filled = this.#lines.length === 1;
    return {
      ...this.#size(),
      padding: [8, 14, 0, 0],
      legend: { show: false },
      cursor: { y: false, drag: { x: false, y: false, setScale: false }, sync: { key: "charts" }, points: { size: 7 } },
      scales: {
        x: { time: true, range: () => [this.#now - HISTORY, this.#now] },
        y: { range: (_, __, most) => [0, Math.max(ofBytes ? 1024 : 4, (most ?? 0) * 1.08)] },
      },
      axes: [
        {
          ...axis,
          grid: { show: false },
          size: 24,
          gap: 6,
          splits: () => MINUTES.map((minute) => this.#now - minute * 60),
          values: () => MINUTES.map((minute) => (minute ? `−${minute} min` : "now")),
        },
        {
          ...axis,
          grid: { stroke: () => property("--line"), width: 1 },
          size: 58,
          gap: 6,
          space: 24,
          incrs: ofBytes ? POWERS : WHOLE,
          values: (_, splits) => splits.map(label),
        },
      ],
      series: [
        {},
        ...this.#lines.map((_, index) => ({
          stroke: () => property(`--line-${index}`),
          fill: filled ? () => property("--fill") : undefined,
          width: 1.5,
          dash: index ? [5, 3] : undefined, // not by colour alone
          points: { show: false },
        })),
      ],
      hooks: { setCursor: [() => this.#showValues()] },
    };
  }
}

// ---- Tables that fit into the document

/** Show reasons, the most frequent first. */
function drawReasons(id, reasons) {
  const sorted = Object.entries(reasons).sort(([a, many], [b, more]) => more - many || (a < b ? -1 : 1));
  if (!sorted.length) sorted.push(["none", 0]);
  fill(element(id).tBodies[0], sorted.map(([reason, number]) => [[reason], countCell(number)]));
}

function drawListeners(listeners) {
  fill(element("listeners").tBodies[0], listeners.map((listener) => [
    [listener.listener],
    [listener.transport],
    ...[listener.open, listener.accepted, listener.refused, listener.messages].map(countCell),
    ...[listener.received, listener.sent].map(bytesCell),
  ]));
}

const TROUBLE = ["refused", "failed", "dropped"];

function drawTotals(totals) {
  for (const name of ["open", "accepted", "messages", "received", "sent", ...TROUBLE]) {
    const node = element(`total-${name}`);
    const ofBytes = name === "received" || name === "sent";
    setText(node, ofBytes ? bytes(totals[name]) : count(totals[name]));
    setAttribute(node, "title", count(totals[name]) + (ofBytes ? " bytes" : ""));
    node.classList.toggle("trouble", TROUBLE.includes(name) && totals[name] > 0);
  }
}

// ---- The stream of events

/**
 * The server's events, for as long as somebody looks.
 *
 * @property link: "connecting", "live" or "gone".
 * @property since: when that began, in seconds of the browser's clock; of "gone", when something was last heard.
 */
class Feed {
  link = "connecting";
  since = seconds();
  #listeners;
  #source = null;
  #heard = seconds();
  #quiet = 0;
  #retry = 0;

  /** @param listeners: functions `state`, `beat` and `link`. */
  constructor(listeners) {
    this.#listeners = listeners;
    // A browser has six connections for all tabs that show one server over HTTP/1.1, and a stream keeps one of them:
    // tabs that nobody sees give it back.
    document.addEventListener("visibilitychange", () => this.#open());
    this.#open();
  }

  #open() {
    this.#source?.close();
    clearTimeout(this.#retry);
    clearTimeout(this.#quiet);
    if (document.hidden) {
      this.#become("connecting");
      return;
    }
    this.#source = new EventSource("events");
    for (const name of ["state", "beat"]) {
      this.#source.addEventListener(name, (event) => this.#hear(name, JSON.parse(event.data)));
    }
    this.#source.addEventListener("error", () => this.#lose());
    this.#expect();
  }

  /** A connection can stay open with nobody at its other end. */
  #expect() {
    clearTimeout(this.#quiet);
    this.#quiet = setTimeout(() => {
      this.#become("gone");
      this.#open();
    }, SILENCE * 1000);
  }

  #hear(name, data) {
    this.#heard = seconds();
    this.#expect();
    this.#listeners[name](data);
    this.#become("live");
  }

  #lose() {
    this.#become("gone");
    if (this.#source.readyState !== EventSource.CLOSED) return; // the browser tries again by itself
    clearTimeout(this.#quiet);
    clearTimeout(this.#retry);
    this.#retry = setTimeout(() => this.#open(), RETRY * 1000);
  }

  #become(link) {
    if (link === this.link) return;
    this.link = link;
    this.since = link === "gone" ? this.#heard : seconds();
    this.#listeners.link(link);
  }
}

// ---- The page

const connections = new Connections();
const history = new History();
const page = { server: null, beat: null, heard: 0, fresh: false, another: false };
let frame = 0;

function requestFrame() {
  frame ||= requestAnimationFrame(() => {
    frame = 0;
    draw();
  });
}

const table = new ConnectionTable(connections);
const charts = CHARTS.map((chart) => new Chart(chart));
const feed = new Feed({ state: takeState, beat: takeBeat, link: tellLink });

function takeState(state) {
  page.another = page.server !== null && page.server.id !== state.server.id;
  page.server = state.server;
  connections.replace(state.connections);
  history.replace(state.server.id, state.history);
  take(state.beat);
  table.replace();
}

function takeBeat(beat) {
  if (!page.server) return;
  connections.close(beat.closed);
  connections.open(beat.opened);
  connections.change(beat.changed, beat.time);
  history.add(beat.time, beat.totals);
  take(beat);
}

function take(beat) {
  if (page.beat && page.beat.condition !== beat.condition) announce(`The server is ${beat.condition}.`);
  page.beat = beat;
  page.heard = seconds();
  page.fresh = true;
  table.update(beat.time);
  requestFrame();
}

function tellLink(link) {
  if (link === "gone") announce("The server is gone. Trying again.");
  else if (link === "live") announce(`Live. ${page.another ? "Another" : "The"} server is ${page.beat.condition}.`);
  requestFrame();
}

/** Draw what has changed: after a beat all of it, after scrolling only the connections. */
function draw() {
  drawSigns();
  if (!page.beat) return;
  if (page.fresh) {
    page.fresh = false;
    drawServer(page.server, page.beat);
    drawTotals(page.beat.totals);
    for (const id of ["refusals", "endings", "drops", "failures"]) drawReasons(id, page.beat[id]);
    drawListeners(page.beat.listeners);
    drawCharts();
  }
  table.draw();
  setText(element("shown"), table.summary(page.beat.totals.open));
}

function drawServer(server, beat) {
  setText(element("name"), server.name);
  setText(element("version"), server.version);
  setText(element("engine"), server.engine);
  setText(element("workers"), count(server.workers));
  setText(element("up"), `${duration(beat.time - server.started)}, since ${moment.format(server.started * 1000)}`);
}

function drawSigns() {
  const gone = feed.link === "gone";
  const since = gone ? ` since ${timeOfDay(feed.since)} (${duration(seconds() - feed.since)}), trying again` : "";
  const condition = page.beat?.condition ?? "…";
  setText(element("condition"), gone && page.beat ? `was ${condition}` : condition);
  setAttribute(element("condition"), "data-is", gone ? "" : condition);
  setText(element("link"), feed.link + since);
  setAttribute(element("link"), "data-is", feed.link);
  document.body.classList.toggle("gone", gone);
  const name = page.server ? `echoreply on ${page.server.name}` : "echoreply";
  const title = gone ? `gone: ${name}` : name;
  if (document.title !== title) document.title = title;
}

/** Time goes on in the charts when the server is gone. */
function drawCharts() {
  const later = feed.link === "gone" ? seconds() - page.heard : 0;
  for (const chart of charts) chart.draw(history, page.beat.time + later);
}

setInterval(() => {
  if (feed.link !== "gone") return;
  drawSigns();
  if (page.beat) drawCharts();
}, 1000);

matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
  for (const chart of charts) chart.recolour();
});

// ---- The filter

const filter = element("filter");
let typed = 0;

function applyFilter() {
  table.filter(filter.value);
  clearTimeout(typed);
  typed = setTimeout(() => announce(table.summary(page.beat?.totals.open ?? 0)), 700); // when the typing pauses
}

filter.addEventListener("input", applyFilter);
element("connections").addEventListener("keydown", (event) => {
  if (event.key === "/" && event.target !== filter && !event.ctrlKey && !event.altKey && !event.metaKey) {
    event.preventDefault();
    filter.focus();
  } else if (event.key === "Escape" && filter.value) {
    filter.value = "";
    applyFilter();
  }
});
