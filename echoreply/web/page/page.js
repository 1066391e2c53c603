// The live page: the server's feed, drawn once a second.
//
// Text from the server can be chosen by a client, such as the subject of a certificate. It reaches the document as text
// nodes and attribute values alone; the Content-Security-Policy allows no other script and no inline style.

import { CHARTS, Chart, History } from "./charts.js";
import { ConnectionTable, Connections } from "./connections.js";
import { addHeader, announce, bytesCell, countCell, element, fill, setAttribute, setText } from "./document.js";
import { Feed } from "./feed.js";
import { bytes, count, duration, moment, seconds, timeOfDay } from "./words.js";

const connections = new Connections();
const history = new History();
const page = { server: null, reasons: {}, beat: null, heard: 0, fresh: false, another: false };
let frame = 0;

function requestFrame() {
  frame ||= requestAnimationFrame(() => {
    frame = 0;
    draw();
  });
}

const table = new ConnectionTable(connections, requestFrame);
const charts = CHARTS.map((chart) => new Chart(chart));
const feed = new Feed({ state: takeState, beat: takeBeat, link: tellLink });

function takeState(state) {
  page.another = page.server !== null && page.server.id !== state.server.id;
  page.server = state.server;
  page.reasons = state.reasons;
  connections.replace(state.columns, state.connections);
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
  if (page.beat && page.beat.server_state !== beat.server_state) announce(`The server is ${beat.server_state}.`);
  page.beat = beat;
  page.heard = seconds();
  page.fresh = true;
  table.update(beat.time);
  requestFrame();
}

function tellLink(link) {
  if (link === "gone") announce("The server is gone. Trying again.");
  else if (link === "live") announce(`Live. ${page.another ? "Another" : "The"} server is ${page.beat.server_state}.`);
  requestFrame();
}

/** Draw everything after an event of the feed, and only the connections after scrolling. */
function draw() {
  drawSigns();
  if (!page.beat) return;
  if (page.fresh) {
    page.fresh = false;
    drawServer(page.server, page.beat);
    drawTotals(page.beat.totals);
    for (const id of ["refusals", "endings", "drops", "failures"]) drawReasons(id, page.beat[id], page.reasons[id]);
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
  const state = page.beat?.server_state ?? "…";
  setText(element("server-state"), gone && page.beat ? `was ${state}` : state);
  setAttribute(element("server-state"), "data-is", gone ? "" : state);
  setText(element("link"), feed.link + since);
  setAttribute(element("link"), "data-is", feed.link);
  document.body.classList.toggle("gone", gone);
  const name = page.server ? `echoreply on ${page.server.name}` : "echoreply";
  const title = gone ? `gone: ${name}` : name;
  if (document.title !== title) document.title = title;
}

/** Draw the charts up to now, also while the server is gone. */
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

// ---- Tables that are drawn as a whole

const REASON_COLUMNS = [
  { cell: ([reason]) => [reason] },
  { style: "number", cell: ([, number]) => countCell(number) },
];

/** Show how often each reason occurred, the most frequent first. Layers have no texts: their names are shown. */
function drawReasons(id, counts, texts = {}) {
  const counted = Object.entries(counts).map(([label, number]) => [texts[label] ?? label, number]);
  counted.sort(([a, many], [b, more]) => more - many || (a < b ? -1 : 1));
  fill(element(id).tBodies[0], REASON_COLUMNS, counted.length ? counted : [["none", 0]]);
}

const LISTENER_COLUMNS = [
  { heading: "Listener", cell: (l) => [l.listener] },
  { heading: "Transport", cell: (l) => [l.transport] },
  { heading: "Open", style: "number", cell: (l) => countCell(l.open) },
  { heading: "Accepted", style: "number", cell: (l) => countCell(l.accepted) },
  { heading: "Refused", style: "number", cell: (l) => countCell(l.refused) },
  { heading: "Replies", style: "number", cell: (l) => countCell(l.messages) },
  { heading: "Bytes in", style: "number", cell: (l) => bytesCell(l.received) },
  { heading: "Bytes out", style: "number", cell: (l) => bytesCell(l.sent) },
];
for (const { heading, style } of LISTENER_COLUMNS) addHeader(element("listeners"), heading, style);

function drawListeners(listeners) {
  fill(element("listeners").tBodies[0], LISTENER_COLUMNS, listeners);
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
