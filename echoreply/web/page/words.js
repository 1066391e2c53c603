// Numbers and times, for people.

export const seconds = () => Date.now() / 1000;

const grouped = new Intl.NumberFormat("en");
export const compact = new Intl.NumberFormat("en", { notation: "compact", maximumFractionDigits: 1 });
const clock = new Intl.DateTimeFormat("sv", { hour: "2-digit", minute: "2-digit", second: "2-digit" });
export const moment = new Intl.DateTimeFormat("sv", { dateStyle: "short", timeStyle: "medium" }); // as in RFC 3339, but local

export const count = (number) => grouped.format(Math.round(number));
export const timeOfDay = (time) => clock.format(time * 1000);

export function bytes(number) {
  if (number < 1024) return `${Math.round(number)} B`;
  const power = Math.min(6, Math.floor(Math.log2(number) / 10));
  const scaled = number / 1024 ** power;
  return `${scaled.toFixed(scaled < 9.95 ? 2 : scaled < 99.95 ? 1 : 0)} ${"KMGTPE"[power - 1]}iB`;
}

export function duration(length) {
  const s = Math.max(0, Math.floor(length));
  const two = (number) => String(number).padStart(2, "0");
  if (s < 60) return `${s} s`;
  if (s < 3600) return `${Math.floor(s / 60)} m ${two(s % 60)} s`;
  if (s < 86400) return `${Math.floor(s / 3600)} h ${two(Math.floor(s / 60) % 60)} m`;
  return `${Math.floor(s / 86400)} d ${Math.floor(s / 3600) % 24} h`;
}
