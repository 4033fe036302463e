// What opens over the page: lists to choose from, new players, game events, time.

import { el, icon, post, toast } from './dom.js';

/** Opens a dialog with a form; `submit` says whether it may close. */
function dialog(title, content, action, submit) {
  const form = el('form', { method: 'dialog', class: 'sheet' },
    el('header', {}, el('h2', { text: title }), el('button', { type: 'button', class: 'icon', 'aria-label': 'Close', onclick: () => box.close() }, icon('close'))),
    content, action && el('footer', {}, el('button', { type: 'button', text: 'Cancel', onclick: () => box.close() }), el('button', { class: 'primary', text: action })));
  const box = el('dialog', { 'aria-label': title, onclose: () => box.remove(), onclick: (event) => { if (event.target === box) box.close(); } }, form);
  form.addEventListener('submit', async (event) => {
    event.preventDefault();
    if (await submit?.()) box.close();
  });
  document.body.append(box);
  box.showModal();
  return box;
}

const field = (label, node, hint) => el('label', { class: 'field' }, el('span', { text: label }), node, hint && el('small', { text: hint }));
const choose = (options, value, name) => {
  const node = el('select', { name }, options.map(([key, text]) => el('option', { value: key, text })));
  if (value !== undefined) node.value = value;
  return node;
};

/** The menu of a list message. */
export function chooseRow(data, tap) {
  let place = 0;
  const sections = data.list.sections.map((section) => {
    const rows = data.choices.slice(place, place + section.rows);
    const start = place;
    place += section.rows;
    return el('section', {}, section.title && el('h3', { text: section.title }),
      rows.map((row, at) => el('button', { type: 'button', class: 'row', onclick: () => { box.close(); tap(start + at); } },
        el('strong', { text: row.title }), row.description && el('small', { text: row.description }))));
  });
  const box = dialog(data.list.button || 'Choose', sections, null, null);
}

export function addPlayer(world) {
  const { game } = world;
  const free = (game.samples || []).filter((sample) => !world.players.has(sample.phone));
  const pairs = (list) => (list || []).map((one) => [one, one]);
  const name = el('input', { name: 'name', maxlength: '60', required: true, autocomplete: 'off', placeholder: 'Ada' });
  const tier = choose(pairs(game.tiers?.length ? game.tiers : ['standard']), undefined, 'tier');
  const locale = choose(pairs(game.locales?.length ? game.locales : ['en']), game.locale, 'locale');
  const linked = choose([['yes', 'Linked to the game'], ['no', 'Nobody knows them']], 'yes', 'linked');
  const samples = el('div', { class: 'people' }, free.map((sample) => el('button', { type: 'button', class: 'row', onclick: async () => {
    if (await post('/api/players', { ...sample, linked: true })) box.close();
  } }, el('strong', { text: sample.name }), el('small', { text: `${sample.tier} · ${sample.locale}` }))));
  const box = dialog('Add a player', [
    free.length ? el('section', {}, el('h3', { text: 'From players.json' }), samples) : null,
    el('section', {}, el('h3', { text: 'Somebody new' }), field('Name', name), el('div', { class: 'pair' }, field('Tier', tier), field('Locale', locale)), field('Account', linked)),
  ], 'Add', () => post('/api/players', { name: name.value, tier: tier.value, locale: locale.value, linked: linked.value === 'yes' }));
}

const EVENTS_KEY = 'questline-dev-events';
const remembered = () => { try { return JSON.parse(localStorage.getItem(EVENTS_KEY)) || {}; } catch { return {}; } };

export function sendEvent(world) {
  const people = [...world.players.values()].map((one) => [one.phone, `${one.player.name} (${one.player.tier})`]);
  if (!people.length) { toast('add a player first'); return; }
  const before = remembered();
  const known = [...new Set([...(world.game.events || []), ...Object.keys(before)])];
  const player = choose(people, world.selected ?? undefined, 'player');
  const name = el('input', { name: 'event', list: 'known-events', required: true, pattern: '[a-z0-9_\\-]{1,64}', autocomplete: 'off', placeholder: 'match-found', value: known[0] || '' });
  const payload = el('textarea', { name: 'payload', rows: '9', spellcheck: 'false', class: 'mono' });
  const problem = el('p', { class: 'problem', role: 'alert' });
  const recall = () => { payload.value = before[name.value] || '{\n  \n}'; check(); };
  const check = () => {
    try { JSON.parse(payload.value); problem.textContent = ''; payload.removeAttribute('aria-invalid'); return true; }
    catch (error) { problem.textContent = `Not JSON: ${error.message}`; payload.setAttribute('aria-invalid', 'true'); return false; }
  };
  payload.addEventListener('input', check);
  name.addEventListener('change', recall);
  dialog('Send a game event', [
    field('To', player), field('Event', name, known.length ? null : 'as game.toml routes it: game_events'),
    el('datalist', { id: 'known-events' }, known.map((one) => el('option', { value: one }))), field('Payload', payload), problem,
  ], 'Send', async () => {
    if (!check()) { payload.focus(); return false; }
    const sent = await post('/api/events', { player: player.value, name: name.value, payload: JSON.parse(payload.value) });
    if (sent) localStorage.setItem(EVENTS_KEY, JSON.stringify({ ...before, [name.value]: payload.value }));
    return sent;
  });
  recall();
}

export function advanceBy() {
  const amount = el('input', { type: 'number', name: 'amount', min: '1', max: '100000', value: '10', required: true });
  const unit = choose([['1000', 'seconds'], ['60000', 'minutes'], ['3600000', 'hours'], ['86400000', 'days']], '60000', 'unit');
  dialog('Move time forward', [el('div', { class: 'pair' }, field('By', amount), field('Unit', unit)),
    el('p', { class: 'quiet', text: 'Timers fire, windows close and codes expire as if everybody had waited. Time does not go back.' })],
  'Move', () => post('/api/clock', { by_ms: Number(amount.value) * Number(unit.value) }));
}

export function closeTicket(ticket) {
  const resolution = el('textarea', { name: 'resolution', rows: '3', required: true, maxlength: '1000', placeholder: 'The purchase was booked again.' });
  dialog(`Close ${ticket.number}`, [el('p', { text: ticket.subject }), field('Resolution', resolution, 'The flow hears it as ticket-closed.')], 'Close the ticket',
    () => post(`/api/tickets/${encodeURIComponent(ticket.number)}/close`, { resolution: resolution.value }));
}

