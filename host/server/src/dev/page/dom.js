// Small tools: elements, requests, times, WhatsApp's formatting. Text is always set as text, never as HTML.

const token = document.querySelector('meta[name="token"]').content;

/** Makes an element. `props` are attributes; `class`, `text`, `on*` as one expects; null and false are left out. */
export function el(tag, props = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(props)) {
    if (value === null || value === undefined || value === false) continue;
    if (name === 'text') node.textContent = value;
    else if (name.startsWith('on')) node.addEventListener(name.slice(2), value);
    else node.setAttribute(name, value === true ? '' : value);
  }
  node.append(...children.flat(9).filter((child) => child !== null && child !== undefined && child !== false));
  return node;
}

const SHAPES = {
  attach: 'M20.5 11.5l-8.6 8.6a5.4 5.4 0 0 1-7.6-7.6l8.9-8.9a3.6 3.6 0 0 1 5.1 5.1l-8.9 8.9a1.8 1.8 0 0 1-2.6-2.6l8.2-8.1',
  send: 'M4 12l16-8-5 16-3.2-6.3z M11.8 13.7L20 4',
  gear: 'M4 7h9 M19 7h1 M4 17h1 M11 17h9 M13 7a3 3 0 1 0 6 0a3 3 0 1 0-6 0 M5 17a3 3 0 1 0 6 0a3 3 0 1 0-6 0',
  look: 'M10.5 4a6.5 6.5 0 1 0 0 13a6.5 6.5 0 1 0 0-13 M15.5 15.5L21 21',
  reply: 'M9 6l-6 6 6 6 M3.5 12H14a6 6 0 0 1 6 6v1',
  smile: 'M12 3a9 9 0 1 0 0 18a9 9 0 1 0 0-18 M8.5 14a4.2 4.2 0 0 0 7 0 M9 9.5v.6 M15 9.5v.6',
  menu: 'M8 6h12 M8 12h12 M8 18h12 M4 6h.1 M4 12h.1 M4 18h.1',
  clock: 'M12 3a9 9 0 1 0 0 18a9 9 0 1 0 0-18 M12 7v5l3.5 2',
  file: 'M6 3h8l4 4v14H6z M14 3v4h4',
  close: 'M6 6l12 12 M18 6L6 18',
  out: 'M14 4h6v6 M20 4l-9 9 M18 14v6H4V6h6',
  copy: 'M9 9h11v11H9z M5 15H4V4h11v1',
};

/** A line drawing; the element around it has the label. */
export function icon(name) {
  const space = 'http://www.w3.org/2000/svg';
  const svg = document.createElementNS(space, 'svg');
  svg.setAttribute('viewBox', '0 0 24 24');
  svg.setAttribute('class', 'drawn');
  svg.setAttribute('aria-hidden', 'true');
  const path = document.createElementNS(space, 'path');
  path.setAttribute('d', SHAPES[name]);
  svg.append(path);
  return svg;
}

export const by = (id) => document.getElementById(id);

/** Asks the server to do something; shows why where it does not. */
export async function call(method, path, body, type) {
  const raw = body instanceof Blob;
  const headers = { 'x-questline-token': token };
  if (body !== undefined) headers['content-type'] = raw ? type : 'application/json';
  try {
    const response = await fetch(path, { method, headers, body: raw ? body : body === undefined ? undefined : JSON.stringify(body) });
    if (response.ok) return true;
    const text = await response.text();
    let words = text;
    try { words = JSON.parse(text).problem || text; } catch { /* plain text */ }
    toast(words || `refused (${response.status})`);
  } catch {
    toast('questline dev does not answer. Is it running?');
  }
  return false;
}
export const post = (path, body) => call('POST', path, body);
export const playerPath = (phone, rest = '') => `/api/players/${encodeURIComponent(phone)}${rest}`;

export function toast(words) {
  const note = el('p', { class: 'toast', text: words });
  by('toasts').append(note);
  setTimeout(() => note.remove(), 7000);
}

// ---- time ----

let ahead = 0;
export function setClock(clock) {
  if (clock && clock.now_ms) ahead = clock.now_ms - Date.now();
}
export const now = () => Date.now() + ahead;

const hm = new Intl.DateTimeFormat(undefined, { hour: '2-digit', minute: '2-digit' });
const hms = new Intl.DateTimeFormat(undefined, { weekday: 'short', day: 'numeric', month: 'short', hour: '2-digit', minute: '2-digit', second: '2-digit' });
const day = new Intl.DateTimeFormat(undefined, { weekday: 'long', day: 'numeric', month: 'long' });
export const clockTime = (ms) => hm.format(ms);
export const fullTime = (ms) => hms.format(ms);
const date = new Intl.DateTimeFormat(undefined, { weekday: 'short', day: 'numeric', month: 'short' });
const seconds = new Intl.DateTimeFormat(undefined, { hour: '2-digit', minute: '2-digit', second: '2-digit' });
export const dateOf = (ms) => date.format(ms);
export const timeOf = (ms) => seconds.format(ms);
export const dayOf = (ms) => day.format(ms);

export function span(ms) {
  const s = Math.max(0, Math.floor(ms / 1000));
  const parts = [[Math.floor(s / 86400), 'd'], [Math.floor(s / 3600) % 24, 'h'], [Math.floor(s / 60) % 60, 'min'], [s % 60, 's']];
  const first = parts.findIndex(([n]) => n > 0);
  if (first < 0) return '0 s';
  return parts.slice(first, first + 2).filter(([n]) => n > 0).map(([n, unit]) => `${n} ${unit}`).join(' ');
}

/** Hours, minutes and seconds left, as a countdown. */
export function countdown(ms) {
  const s = Math.max(0, Math.floor(ms / 1000));
  const two = (n) => String(n).padStart(2, '0');
  return `${two(Math.floor(s / 3600))}:${two(Math.floor(s / 60) % 60)}:${two(s % 60)}`;
}

export function duration(us) {
  if (us < 1000) return `${us} µs`;
  return us < 1e6 ? `${(us / 1000).toFixed(us < 10000 ? 1 : 0)} ms` : `${(us / 1e6).toFixed(1)} s`;
}

export const bytes = (n) => (n < 1024 ? `${n} B` : n < 1048576 ? `${Math.round(n / 1024)} KiB` : `${(n / 1048576).toFixed(1)} MiB`);

// ---- WhatsApp's formatting ----

const MARKS = [
  [/```([^]+?)```/, 'code', false],
  [/`([^`\n]+)`/, 'code', false],
  [/(?<![\p{L}\p{N}*])\*(?!\s)([^*\n]+?)(?<!\s)\*(?![\p{L}\p{N}*])/u, 'strong', true],
  [/(?<![\p{L}\p{N}_])_(?!\s)([^_\n]+?)(?<!\s)_(?![\p{L}\p{N}_])/u, 'em', true],
  [/(?<![\p{L}\p{N}~])~(?!\s)([^~\n]+?)(?<!\s)~(?![\p{L}\p{N}~])/u, 's', true],
  [/https?:\/\/[^\s<>"]+[^\s<>".,;:!?)]/, 'a', false],
];

/** The text as nodes: *bold*, _italic_, ~struck~, `code`, links. */
export function formatted(text) {
  let first = null;
  for (const [pattern, tag, inner] of MARKS) {
    const match = pattern.exec(text);
    if (match && (!first || match.index < first.match.index)) first = { match, tag, inner };
  }
  if (!first) return text ? [document.createTextNode(text)] : [];
  const { match, tag, inner } = first;
  const content = match[1] ?? match[0];
  const props = tag === 'a' ? { href: match[0], target: '_blank', rel: 'noreferrer noopener' } : {};
  const node = el(tag, props, inner ? formatted(content) : content);
  return [...formatted(text.slice(0, match.index)), node, ...formatted(text.slice(match.index + match[0].length))];
}

// ---- JSON, coloured ----

export function json(value, depth = 0) {
  const pad = '  '.repeat(depth + 1);
  if (value === null || typeof value !== 'object') {
    const kind = value === null ? 'null' : typeof value;
    return [el('span', { class: `j-${kind}`, text: JSON.stringify(value) ?? 'null' })];
  }
  const entries = Array.isArray(value) ? value.map((one) => [null, one]) : Object.entries(value);
  const [open, close] = Array.isArray(value) ? ['[', ']'] : ['{', '}'];
  if (!entries.length) return [open + close];
  const lines = entries.flatMap(([key, one], at) => [
    `\n${pad}`, key === null ? null : el('span', { class: 'j-key', text: JSON.stringify(key) }), key === null ? null : ': ',
    ...json(one, depth + 1), at + 1 < entries.length ? ',' : '',
  ]);
  return [open, ...lines, `\n${'  '.repeat(depth)}${close}`];
}
export const jsonBlock = (value) => el('pre', { class: 'json', tabindex: '0' }, json(value));

export const hue = (text) => [...text].reduce((sum, c) => (sum * 31 + c.codePointAt(0)) % 360, 7);

/** The colour of a player: one of twelve classes, since inline styles are forbidden here. */
export const shade = (text) => `shade-${hue(text) % 12}`;
