// The page's heart: listens to the server, keeps what it says, and hands it to the chat and the inspector.

import { by, call, dateOf, el, now, playerPath, post, setClock, shade, span, timeOf } from './dom.js';
import { Chat } from './chat.js';
import { Inspector } from './inspector.js';
import { addPlayer, advanceBy, sendEvent } from './dialogs.js';

const world = { game: {}, build: null, tickets: [], players: new Map(), selected: null };
const inspector = new Inspector(by('inspector'), world);

function record(data) {
  const { phone } = data;
  const chat = new Chat(phone, world, { select: () => select(phone), show: (id) => { select(phone); view('inspector'); inspector.open(id); } });
  by('chats').append(chat.node);
  const tab = el('button', { type: 'button', role: 'tab', id: `tab-${phone}`, 'aria-controls': `chat-${phone}`, onclick: () => select(phone) });
  by('tabs').append(tab);
  return { phone, chat, tab, player: data.player, steps: [], timers: [], messages: new Map() };
}

function select(phone) {
  const other = world.selected !== phone;
  if (!world.players.has(phone)) return;
  world.selected = phone;
  for (const [key, one] of world.players) {
    const chosen = key === phone;
    one.tab.setAttribute('aria-selected', String(chosen));
    one.tab.tabIndex = chosen ? 0 : -1;
    one.chat.node.classList.toggle('selected', chosen);
  }
  inspector.follow(world.players.get(phone));
  // Where one chat is shown at a time, this one comes into view.
  if (other && matchMedia('(max-width: 760px)').matches) world.players.get(phone).chat.toEnd();
}

function view(name) {
  document.body.dataset.view = name;
  for (const button of document.querySelectorAll('.switch button')) button.setAttribute('aria-pressed', String(button.dataset.view === name));
}

function showPlayer(one) {
  const { player } = one;
  one.tab.replaceChildren(el('span', { class: `avatar small ${shade(one.phone)}`, 'aria-hidden': 'true', text: player.name.slice(0, 1) }), player.name);
  one.chat.player(player);
}

function upsert(data) {
  let one = world.players.get(data.phone);
  if (!one) {
    one = record(data);
    world.players.set(data.phone, one);
  }
  one.player = data.player;
  showPlayer(one);
  if (!world.selected) select(data.phone);
  else if (world.selected === data.phone) inspector.player();
  return one;
}

function remove(phone) {
  const one = world.players.get(phone);
  if (!one) return;
  one.chat.node.remove();
  one.tab.remove();
  world.players.delete(phone);
  if (world.selected === phone) {
    world.selected = null;
    const next = world.players.keys().next();
    if (next.done) inspector.follow(null);
    else select(next.value);
  }
}

function message(one, data) {
  one.messages.set(data.id, data);
  one.chat.message(data);
}

function showGame() {
  const { game } = world;
  by('game-name').textContent = game.name || game.id || 'Questline';
  const flows = (game.flows || []).map((flow) => flow.name);
  by('game-about').textContent = flows.length ? `${flows.length === 1 ? 'flow' : 'flows'} ${flows.join(', ')} · release ${game.release}` : 'not built yet';
  document.title = `${game.name || game.id || 'Questline'} · questline dev`;
  for (const one of world.players.values()) one.chat.game();
}

function showBuild() {
  const build = world.build || { state: 'building', words: 'starting' };
  const pill = by('build');
  pill.dataset.state = build.state;
  pill.textContent = build.state === 'broken' ? build.title : build.words;
  // While it is built again, what was wrong stays to be read.
  if (build.state === 'building' && !by('banner').hidden) return;
  by('banner').hidden = build.state !== 'broken';
  document.body.classList.toggle('unplayable', build.state === 'broken' && !build.still_plays);
  if (build.state !== 'broken') return;
  by('banner-title').textContent = build.title;
  by('banner-place').textContent = build.place || '';
  by('banner-still').textContent = build.still_plays ? 'The version before goes on.' : 'Nothing plays until this is mended.';
  by('banner-detail').textContent = build.detail;
}

function tick() {
  by('date').textContent = dateOf(now());
  by('now').textContent = timeOf(now());
  for (const one of world.players.values()) one.chat.tick();
  inspector.tick();
}

const handlers = {
  hello(news) {
    setClock(news.clock);
    showAhead(news.clock);
    Object.assign(world, { game: news.game || {}, build: news.build, tickets: news.tickets || [] });
    const here = new Set(news.players.map((player) => player.phone));
    for (const phone of [...world.players.keys()]) if (!here.has(phone)) remove(phone);
    for (const data of news.players) {
      const one = upsert(data);
      one.steps = data.steps;
      one.timers = data.timers;
      one.chat.clear();
      one.messages.clear();
      data.messages.forEach((each) => message(one, each));
      one.chat.toEnd();
    }
    showGame();
    showBuild();
    if (world.selected) select(world.selected);
  },
  game(news) { world.game = news.game; showGame(); },
  build(news) { world.build = news.build; showBuild(); },
  clock(news) { setClock(news.clock); showAhead(news.clock); tick(); },
  player(news) { upsert(news); },
  gone(news) { remove(news.phone); },
  message(news) { const one = world.players.get(news.phone); if (one) message(one, news.message); },
  step(news) {
    const one = world.players.get(news.phone);
    if (!one) return;
    one.steps.push(news.step);
    if (one.steps.length > 200) one.steps.shift();
    if (world.selected === news.phone) inspector.step(news.step);
  },
  timers(news) {
    const one = world.players.get(news.phone);
    if (!one) return;
    one.timers = news.timers;
    if (world.selected === news.phone) inspector.timers();
  },
  tickets(news) { world.tickets = news.tickets; inspector.tickets(); },
};

function showAhead(clock) {
  by('ahead').textContent = clock && clock.ahead_ms ? `+${span(clock.ahead_ms)} ahead` : '';
}

function listen() {
  const stream = new EventSource('/api/live');
  stream.onmessage = (event) => {
    by('offline').hidden = true;
    const news = JSON.parse(event.data);
    handlers[news.kind]?.(news);
  };
  stream.onerror = () => { by('offline').hidden = false; };
}

for (const button of document.querySelectorAll('[data-advance]')) {
  button.addEventListener('click', () => post('/api/clock', { by_ms: Number(button.dataset.advance) }));
}
by('advance-more').addEventListener('click', () => advanceBy());
by('send-event').addEventListener('click', () => sendEvent(world));
by('add-player').addEventListener('click', () => addPlayer(world));
by('banner-toggle').addEventListener('click', () => {
  const detail = by('banner-detail');
  detail.hidden = !detail.hidden;
  by('banner-toggle').setAttribute('aria-expanded', String(!detail.hidden));
  by('banner-toggle').textContent = detail.hidden ? 'Show details' : 'Hide details';
});
for (const button of document.querySelectorAll('.switch button')) button.addEventListener('click', () => view(button.dataset.view));
by('tabs').addEventListener('keydown', (event) => {
  const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
  if (!step) return;
  const phones = [...world.players.keys()];
  const at = (phones.indexOf(world.selected) + step + phones.length) % phones.length;
  select(phones[at]);
  world.players.get(phones[at]).tab.focus();
  event.preventDefault();
});
// A swipe over the chat goes to the next player, where one is shown at a time.
let touched = null;
by('chats').addEventListener('touchstart', (event) => { const t = event.touches[0]; touched = { x: t.clientX, y: t.clientY }; }, { passive: true });
by('chats').addEventListener('touchend', (event) => {
  const t = event.changedTouches[0];
  const far = touched && matchMedia('(max-width: 760px)').matches && Math.abs(t.clientX - touched.x) > 70 && Math.abs(t.clientY - touched.y) < 50;
  if (!far) return;
  const phones = [...world.players.keys()];
  const next = phones[phones.indexOf(world.selected) + (t.clientX < touched.x ? 1 : -1)];
  if (next) select(next);
}, { passive: true });
document.addEventListener('remove-player', (event) => call('DELETE', playerPath(event.detail)));

setInterval(tick, 500);
listen();
