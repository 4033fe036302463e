// One player's chat, as their phone shows it.

import { call, clockTime, countdown, dayOf, el, formatted, icon, now, playerPath, post, shade, toast } from './dom.js';
import { chooseRow } from './dialogs.js';

const EMOJIS = ['👍', '❤️', '😂', '😮', '😢', '🙏'];
const PRESENCES = [['chat', 'In the chat (reads)'], ['online', 'Online (delivered)'], ['offline', 'Offline']];
const DEVICES = [['sample', 'As in players.json'], ['same', 'Their own'], ['different', 'Another one'], ['unknown', 'Not known']];
const TICKS = { sent: ['✓', 'sent'], delivered: ['✓✓', 'delivered'], read: ['✓✓', 'read'] };

const select = (options, value, label, change) => {
  const known = options.some(([key]) => key === value) ? options : [...options, [value, value]];
  const node = el('select', { 'aria-label': label, onchange: () => change(node.value) }, known.map(([key, text]) => el('option', { value: key, text })));
  node.value = value;
  return node;
};

export class Chat {
  constructor(phone, world, hooks) {
    Object.assign(this, { phone, world, hooks, bubbles: new Map(), data: new Map() });
    this.head = el('header', { class: 'chat-head' });
    this.settings = el('form', { class: 'settings', hidden: true, onsubmit: (event) => event.preventDefault() });
    this.list = el('ol', { class: 'messages', 'aria-live': 'polite', tabindex: '0' });
    this.unread = el('button', { type: 'button', class: 'unread', hidden: true, onclick: () => post(playerPath(phone, '/read')) });
    this.quote = el('p', { class: 'quoting', hidden: true });
    this.input = el('textarea', { rows: '1', placeholder: 'Message', enterkeyhint: 'send', maxlength: '4096' });
    this.input.addEventListener('keydown', (event) => {
      if (event.key === 'Enter' && !event.shiftKey && !event.isComposing) { event.preventDefault(); this.say(); }
      if (event.key === 'Escape') this.replyTo(null);
    });
    this.input.addEventListener('input', () => this.grow());
    this.file = el('input', { type: 'file', accept: 'image/png,image/jpeg,application/pdf,text/plain', hidden: true, onchange: () => this.sendFile() });
    this.composer = el('form', { class: 'composer', onsubmit: (event) => { event.preventDefault(); this.say(); } },
      el('button', { type: 'button', class: 'icon', 'aria-label': 'Attach a picture or document', title: 'Attach', onclick: () => this.file.click() }, icon('attach')),
      this.file, this.input, el('button', { class: 'icon send', 'aria-label': 'Send', title: 'Send' }, icon('send')));
    this.node = el('section', { class: 'chat', id: `chat-${phone}`, role: 'tabpanel', 'aria-labelledby': `tab-${phone}`, onfocusin: hooks.select, onpointerdown: hooks.select },
      this.head, this.settings, el('div', { class: 'scroll' }, this.list), this.unread, this.quote, this.composer);
    this.parts();
  }

  parts() {
    this.name = el('h2');
    this.about = el('p', { class: 'quiet' });
    this.avatar = el('span', { class: `avatar ${shade(this.phone)}`, 'aria-hidden': 'true' });
    this.left = el('span');
    this.window = el('span', { class: 'window' }, icon('clock'), this.left);
    this.gear = el('button', { type: 'button', class: 'icon', 'aria-label': 'Settings of this player', 'aria-expanded': 'false', title: 'Settings', onclick: () => {
      this.settings.hidden = !this.settings.hidden;
      this.gear.setAttribute('aria-expanded', String(!this.settings.hidden));
    } }, icon('gear'));
    this.head.append(this.avatar, el('div', { class: 'who' }, this.name, this.about), this.window, this.gear);
  }

  player(player) {
    const before = this.shown;
    this.shown = player;
    this.name.textContent = player.name;
    this.input.setAttribute('aria-label', `Message as ${player.name}`);
    this.list.setAttribute('aria-label', `Chat of ${player.name}`);
    this.avatar.textContent = player.name.slice(0, 1);
    const offline = player.presence === 'offline';
    this.node.classList.toggle('is-offline', offline);
    this.input.disabled = offline;
    this.input.placeholder = offline ? 'Offline' : 'Message';
    this.tick();
    const keys = ['tier', 'locale', 'device', 'presence', 'linked'];
    if (!before || keys.some((key) => before[key] !== player[key])) this.game();
    this.typing(player.typing);
  }

  /** What can be set of the player; the game says which tiers and locales there are. */
  game() {
    if (!this.shown) return;
    const { game } = this.world;
    const player = this.shown;
    const set = (change) => post(playerPath(this.phone), change);
    const line = (label, node) => el('label', {}, el('span', { text: label }), node);
    const pairs = (list, value) => [...new Set([...(list || []), value])].map((one) => [one, one]);
    const focused = this.settings.contains(document.activeElement) ? document.activeElement.getAttribute('aria-label') : null;
    this.settings.replaceChildren(
      line('Tier', select(pairs(game.tiers, player.tier), player.tier, 'Tier', (tier) => set({ tier }))),
      line('Locale', select(pairs(game.locales, player.locale), player.locale, 'Locale', (locale) => set({ locale }))),
      line('Device', select(DEVICES, player.device, 'Device', (device) => set({ device }))),
      line('Presence', select(PRESENCES, player.presence, 'Presence', (presence) => set({ presence }))),
      line('Account', select([['yes', 'Linked to the game'], ['no', 'Nobody knows them']], player.linked ? 'yes' : 'no', 'Account', (linked) => set({ linked: linked === 'yes' }))),
      el('button', { type: 'button', class: 'remove', text: 'Remove from the page', onclick: () => document.dispatchEvent(new CustomEvent('remove-player', { detail: this.phone })) }),
    );
    if (focused) this.settings.querySelector(`[aria-label="${focused}"]`)?.focus();
  }

  tick() {
    const player = this.shown;
    if (!player) return;
    const left = (player.window_closes_at_ms || 0) - now();
    const open = left > 0;
    const text = open ? countdown(left) : 'closed';
    if (this.left.textContent !== text) this.left.textContent = text;
    this.window.classList.toggle('closed', !open);
    this.window.title = open ? 'The service window: until it closes the game may write freely' : 'The service window is closed: only templates reach the player';
    const presence = { chat: 'in the chat', online: 'online', offline: 'offline' }[player.presence];
    const about = `${player.linked ? player.tier : 'unknown'} · ${player.locale} · ${presence}`;
    if (this.about.textContent !== about) this.about.textContent = about;
  }

  clear() {
    this.list.replaceChildren();
    this.bubbles.clear();
    this.data.clear();
    this.lastDay = null;
    this.typingNode = null;
  }

  typing(on) {
    if (!on === !this.typingNode) return;
    this.typingNode?.remove();
    this.typingNode = on ? el('li', { class: 'from-game typing', 'aria-label': 'typing' }, el('span'), el('span'), el('span')) : null;
    if (on) this.list.append(this.typingNode);
  }

  message(data) {
    const old = this.bubbles.get(data.id);
    const scroll = this.list.parentElement;
    const atEnd = scroll.scrollHeight - scroll.scrollTop - scroll.clientHeight < 80;
    this.data.set(data.id, data);
    const node = this.bubble(data);
    this.bubbles.set(data.id, node);
    if (old) {
      old.replaceWith(node);
    } else {
      const day = dayOf(data.at_ms);
      if (day !== this.lastDay) {
        this.lastDay = day;
        this.list.append(el('li', { class: 'day', text: day }));
      }
      this.list.append(node);
      if (this.typingNode) this.list.append(this.typingNode);
    }
    const unread = [...this.data.values()].filter((one) => one.from === 'game' && one.state === 'delivered').length;
    this.unread.hidden = !unread;
    this.unread.textContent = `${unread} unread · mark read`;
    if (atEnd || data.from === 'player') this.toEnd();
  }

  toEnd() {
    const scroll = this.list.parentElement;
    scroll.scrollTop = scroll.scrollHeight;
  }

  bubble(data) {
    if (data.from === 'meta') return el('li', { class: 'notice', 'data-id': data.id }, el('p', { text: data.text }));
    const own = data.from === 'player';
    const quoted = data.reply_to && this.data.get(data.reply_to);
    const ticks = TICKS[data.state];
    const buttons = (data.choices || []).filter((choice) => choice.kind !== 'row');
    const body = el('div', { class: 'bubble' },
      quoted && el('p', { class: 'quoted', text: quoted.text || quoted.kind }),
      data.template && el('p', { class: 'template', text: `template ${data.template}` }),
      this.media(data.media),
      data.header && el('p', { class: 'header' }, formatted(data.header)),
      data.text && el('p', { class: 'text' }, formatted(data.text)),
      data.footer && el('p', { class: 'footer' }, formatted(data.footer)),
      el('p', { class: 'meta' }, clockTime(data.at_ms), ticks && el('span', { class: `ticks ${data.state}`, title: ticks[1], 'aria-label': ticks[1], text: ticks[0] })));
    const reaction = own ? data.reaction_of_game : data.reaction;
    return el('li', { class: own ? 'from-player' : 'from-game', 'data-id': data.id },
      el('div', { class: 'stack' }, body, reaction && el('span', { class: 'reaction', text: reaction, title: own ? 'The game reacted' : 'Your reaction' }),
        buttons.length ? el('div', { class: 'choices' }, data.choices.map((choice, index) => choice.kind !== 'row' && this.choice(data, choice, index))) : null,
        data.list && el('div', { class: 'choices' }, el('button', { type: 'button', class: 'menu', onclick: () => chooseRow(data, (index) => this.tap(data, index)) }, icon('menu'), data.list.button))),
      this.tools(data, own));
  }

  choice(data, choice, index) {
    if (choice.kind === 'link') {
      const safe = /^https?:\/\//.test(choice.url || '');
      return el('a', { class: 'as-button', href: safe ? choice.url : null, target: '_blank', rel: 'noreferrer noopener' }, icon('out'), choice.title);
    }
    if (choice.kind === 'code') return el('button', { type: 'button', onclick: () => navigator.clipboard?.writeText(choice.id) }, icon('copy'), choice.title);
    return el('button', { type: 'button', text: choice.title, onclick: () => this.tap(data, index) });
  }

  media(media) {
    if (!media) return null;
    const { url } = media;
    if (url && (media.kind === 'image' || media.kind === 'sticker')) return el('img', { class: 'picture', src: url, alt: media.filename || 'picture', loading: 'lazy', referrerpolicy: 'no-referrer' });
    const label = [icon('file'), media.filename || media.kind];
    return url ? el('a', { class: 'document', href: url, target: '_blank', rel: 'noreferrer noopener' }, label) : el('p', { class: 'document' }, label, ` ${media.id || ''}`);
  }

  tools(data, own) {
    const tool = (label, shape, onclick) => el('button', { type: 'button', class: 'tool', 'aria-label': label, title: label, onclick }, icon(shape));
    const step = tool('What the host did', 'look', () => this.hooks.show(data));
    if (own) return el('div', { class: 'tools' }, step);
    const faces = el('div', { class: 'faces', hidden: true }, EMOJIS.map((emoji) => el('button', { type: 'button', 'aria-label': `React with ${emoji}`, text: emoji, onclick: () => {
      faces.hidden = true;
      post(playerPath(this.phone, '/react'), { message: data.id, emoji: data.reaction === emoji ? '' : emoji });
    } })));
    return el('div', { class: 'tools' }, step, tool('Reply', 'reply', () => this.replyTo(data)), tool('React', 'smile', () => { faces.hidden = !faces.hidden; }), faces);
  }

  tap(data, index) {
    return post(playerPath(this.phone, '/tap'), { message: data.id, index });
  }

  replyTo(data) {
    this.replying = data && data.id;
    this.quote.hidden = !data;
    this.quote.replaceChildren(...(data ? [el('span', { text: data.text || data.kind }), el('button', { type: 'button', class: 'icon', 'aria-label': 'Do not reply to it', onclick: () => this.replyTo(null) }, icon('close'))] : []));
    if (data) this.input.focus();
  }

  grow() {
    this.input.rows = Math.min(5, this.input.value.split('\n').length);
  }

  async say() {
    const text = this.input.value.trim();
    if (!text) return;
    const reply_to = this.replying || null;
    this.input.value = '';
    this.grow();
    this.replyTo(null);
    if (!(await post(playerPath(this.phone, '/say'), { text, reply_to })) && !this.input.value) this.input.value = text;
  }

  async sendFile() {
    const [file] = this.file.files;
    this.file.value = '';
    if (!file) return;
    if (file.size > 5 * 1024 * 1024) { toast('a file has at most 5 MB here'); return; }
    const caption = this.input.value.trim();
    const query = new URLSearchParams({ name: file.name, ...(caption ? { caption } : {}) });
    if (await call('POST', `${playerPath(this.phone, '/files')}?${query}`, file, file.type || 'application/octet-stream')) this.input.value = '';
  }
}
