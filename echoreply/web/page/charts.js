// The charts, and the history that they draw.

import { element, setAttribute, setText } from "./document.js";
import { bytes, compact, count, seconds, timeOfDay } from "./words.js";

const HISTORY = 600; // seconds that the charts show
const GAP = 3; // seconds between two samples, from which on the line has a gap
const DESCRIBE = 5; // seconds between two descriptions of a chart

/** Samples of the last ten minutes. Nulls stand for times without a connection to the server: the charts have gaps. */
export class History {
  #server = "";
  #last = null;

  constructor() {
    this.#clear();
  }

  #clear() {
    this.#last = null;
    Object.assign(this, { time: [], replies: [], received: [], sent: [], open: [] });
  }

  /** Take the history that a server sends. That of another server before it stays. */
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

export const CHARTS = [
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

export class Chart {
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

  /** Show the values under the pointer, or the last ones. */
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
