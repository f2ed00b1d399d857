// Numbers, times and strangers' texts for people. Pure.

const MINUTE = 60;
const HOUR = 3600;
const DAY = 86400;
const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

// What would not be seen, or would turn the text around, is spelled out.
const UNSEEN = /[\u0000-\u001f\u007f-\u009f\u00ad\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]/g;
export const safe = (text) =>
  String(text).replace(UNSEEN, (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, "0")}`);

export const count = (number) => Math.round(number).toLocaleString("en-GB").replaceAll(",", "\u202f");

export function rate(number) {
  if (number === 0) return "0";
  if (number < 10) return number.toFixed(number < 1 ? 2 : 1);
  return count(number);
}

export function span(seconds) {
  const s = Math.max(0, Math.round(seconds));
  if (s < MINUTE) return `${s} s`;
  if (s < HOUR) return `${Math.floor(s / MINUTE)} min`;
  if (s < 2 * DAY) {
    const minutes = Math.floor((s % HOUR) / MINUTE);
    return `${Math.floor(s / HOUR)} h${minutes && s < 10 * HOUR ? ` ${minutes} min` : ""}`;
  }
  if (s < 730 * DAY) return `${Math.floor(s / DAY)} d`;
  return `${(s / (365.2425 * DAY)).toFixed(1)} y`;
}

const two = (number) => String(number).padStart(2, "0");

export function day(unix) {
  const date = new Date(unix * 1000);
  return `${date.getUTCDate()} ${MONTHS[date.getUTCMonth()]} ${date.getUTCFullYear()}`;
}

export function clock(unix) {
  const date = new Date(unix * 1000);
  return `${two(date.getUTCHours())}:${two(date.getUTCMinutes())}:${two(date.getUTCSeconds())}`;
}

export const moment = (unix) => (unix ? `${day(unix)}, ${clock(unix)}` : "–");

export function iso(unix) {
  const date = new Date(unix * 1000);
  return Number.isNaN(date.getTime()) ? "" : date.toISOString();
}

export const short = (id, digits = 12) => (id.length > digits ? `${id.slice(0, digits)}…` : id);

export function names(row, most = 2) {
  const shown = row.names.slice(0, most).map(safe).join(", ");
  const more = row.names_count - Math.min(most, row.names.length);
  return more > 0 ? `${shown} +${more}` : shown || "no names";
}
