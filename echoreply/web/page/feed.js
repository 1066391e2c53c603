// The stream of the server's events: docs/web.md.

import { seconds } from "./words.js";

const SILENCE = 5; // seconds without an event, after which the server counts as gone: there is one each second
const RETRY = 1.5; // seconds until a stream that the server refused is asked for again

/**
 * The server's events, while the page is visible.
 *
 * @property link: "connecting", "live" or "gone".
 * @property since: when that began, in seconds of the browser's clock; of "gone", when the last event came.
 */
export class Feed {
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
    // Browsers have six HTTP/1.1 connections to a server, for all tabs together, and a stream occupies one: hidden tabs
    // close theirs.
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

  /** Expect an event soon: a connection can stay open when the server is gone. */
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
