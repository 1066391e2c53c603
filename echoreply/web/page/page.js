// The live page: what the server tells once a second, drawn once a second.
//
// Text from the server may hold what a client chose, such as a certificate's subject. It reaches the document as text
// nodes and attribute values alone; the Content-Security-Policy allows no other script and no inline style.

import { CHARTS, Chart, History } from "./charts.js";
import { ConnectionTable, Connections } from "./connections.js";
import { announce, bytesCell, countCell, element, fill, setAttribute, setText } from "./document.js";
import { Feed } from "./feed.js";
import { bytes, count, duration, moment, seconds, timeOfDay } from "./words.js";

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

const table = new ConnectionTable(connections, requestFrame);
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
