// Beside the chat: what the host did for the selected player.

import { bytes, clockTime, duration, el, fullTime, json, jsonBlock, now, post, span } from './dom.js';
import { closeTicket } from './dialogs.js';

const TABS = [['steps', 'Steps'], ['session', 'Session'], ['tickets', 'Tickets'], ['timers', 'Timers'], ['logs', 'Logs']];
const SHOWN_MAX = 200;

export class Inspector {
  constructor(node, world) {
    Object.assign(this, { node, world, one: null, tab: 'steps' });
    this.title = el('h2', { text: 'Inspector' });
    this.tabs = el('div', { class: 'inspector-tabs', role: 'tablist', 'aria-label': 'Inspector' }, TABS.map(([key, text]) =>
      el('button', { type: 'button', role: 'tab', id: `inspector-${key}`, 'data-tab': key, 'aria-controls': 'inspector-panel', onclick: () => this.choose(key) }, text, el('span', { class: 'count' }))));
    this.tabs.addEventListener('keydown', (event) => {
      const move = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
      if (!move) return;
      const keys = TABS.map(([key]) => key);
      this.choose(keys[(keys.indexOf(this.tab) + move + keys.length) % keys.length]);
      this.tabs.querySelector('[aria-selected="true"]').focus();
      event.preventDefault();
    });
    this.panel = el('div', { id: 'inspector-panel', class: 'panel', role: 'tabpanel', tabindex: '0' });
    node.append(el('header', {}, this.title, this.tabs), this.panel);
    this.choose('steps');
  }

  follow(one) {
    if (this.one === one && one) { this.counts(); this.render(); return; }
    this.one = one;
    this.render();
  }

  player() {
    this.title.textContent = this.one ? `What the host did for ${this.one.player.name}` : 'Inspector';
  }

  choose(tab) {
    this.tab = tab;
    for (const button of this.tabs.children) {
      const chosen = button.dataset.tab === tab;
      button.setAttribute('aria-selected', String(chosen));
      button.tabIndex = chosen ? 0 : -1;
    }
    this.panel.setAttribute('aria-labelledby', `inspector-${tab}`);
    this.render();
  }

  own() { return (this.world.tickets || []).filter((one) => this.one && one.phone === this.one.phone); }
  lines() { return (this.one?.steps || []).flatMap((step) => step.lines.map((line) => ({ ...line, at_ms: step.at_ms, step: step.id }))); }

  counts() {
    const counts = { steps: this.one?.steps.length, tickets: this.own().filter((one) => !one.ticket.closed).length, timers: this.one?.timers.length, logs: this.lines().length };
    for (const button of this.tabs.children) button.querySelector('.count').textContent = counts[button.dataset.tab] || '';
  }

  render() {
    this.player();
    this.counts();
    const empty = (words) => el('p', { class: 'empty', text: words });
    if (!this.one) { this.panel.replaceChildren(empty('Add a player and write something.')); return; }
    const { steps } = this.one;
    if (this.tab === 'steps') {
      const shown = [...steps].reverse().slice(0, SHOWN_MAX).map((step, at) => this.stepNode(step, at === 0));
      this.panel.replaceChildren(...(shown.length ? shown : [empty('Nothing yet. Each message, tap, timer and game event is one step: it stands here with what the flow saw, asked for and cost.')]));
    } else if (this.tab === 'session') this.session();
    else if (this.tab === 'tickets') this.tickets();
    else if (this.tab === 'timers') this.timers();
    else {
      const lines = this.lines().reverse().map((line) => el('li', { class: `log ${line.level}` }, el('span', { class: 'quiet', text: `${clockTime(line.at_ms)} · step ${line.step} · ${line.flow}` }), el('code', { text: line.text })));
      this.panel.replaceChildren(lines.length ? el('ol', { class: 'logs' }, lines) : empty('Flows of this player have logged nothing.'));
    }
  }

  step(step) {
    this.counts();
    if (this.tab !== 'steps') { if (this.tab !== 'tickets' && this.tab !== 'timers') this.render(); return; }
    this.panel.querySelector('.empty')?.remove();
    for (const open of this.panel.querySelectorAll('details.step[data-auto]')) { open.open = false; open.removeAttribute('data-auto'); }
    this.panel.prepend(this.stepNode(step, true));
    while (this.panel.children.length > SHOWN_MAX) this.panel.lastChild.remove();
  }

  /** Shows the step of a message of either side. */
  open(message) {
    const step = this.one?.steps.find((one) => one.event.wamid === message.id || (message.ref && one.messages?.includes(message.ref)));
    this.choose('steps');
    const node = step && this.panel.querySelector(`[data-step="${step.id}"]`);
    if (!node) return;
    node.open = true;
    node.scrollIntoView({ block: 'nearest' });
    node.querySelector('summary').focus();
  }

  stepNode(step, open) {
    const flows = step.calls.map((call) => call.flow);
    const effects = step.calls.flatMap((call) => call.effects || []);
    const failed = step.failure;
    const summary = el('summary', {},
      el('span', { class: 'step-line' }, el('span', { class: 'kind', text: step.event.kind }), el('span', { class: 'words', text: step.event.words })),
      el('span', { class: 'step-sub quiet' }, el('span', { text: clockTime(step.at_ms) }), el('span', { text: flows.length ? `→ ${[...new Set(flows)].join(', ')}` : `→ host (${step.outcome})` }),
        el('span', { text: duration(step.took_us) }),
        failed ? el('span', { class: 'chip bad', text: failed.kind }) : effects.map((effect) => el('span', { class: 'chip', text: effect.kind }))));
    return el('details', { class: `step${failed ? ' failed' : ''}`, 'data-step': step.id, 'data-auto': open || null, open: open || null }, summary,
      failed && this.failure(failed),
      step.calls.map((call) => this.call(call)),
      step.lines.length ? el('section', {}, el('h4', { text: 'Log' }), el('ol', { class: 'logs' }, step.lines.map((line) => el('li', { class: `log ${line.level}` }, el('code', { text: line.text }))))) : null,
      step.audits?.length ? el('section', {}, el('h4', { text: 'Audit' }), el('ul', {}, step.audits.map((line) => el('li', { text: line })))) : null,
      this.fold('Event', step.event.detail),
      this.changes(step),
      el('p', { class: 'quiet small', text: `step ${step.id} · conversation ${step.conversation} · ${fullTime(step.at_ms)} · release ${step.release} · outcome ${step.outcome}` }));
  }

  failure(failed) {
    const then = failed.again ? `Try ${failed.again.attempts} failed; the next in ${span(failed.again.wait_ms)}.` : failed.dead_letter ? 'Given up: the event is a dead letter.' : '';
    return el('div', { class: 'trap' }, el('p', {}, el('strong', { text: failed.kind }), failed.place && el('code', { class: 'place', text: failed.place })),
      el('pre', { tabindex: '0', text: [failed.words, failed.backtrace].filter(Boolean).join('\n') }), then && el('p', { text: then }));
  }

  call(call) {
    const { cost } = call;
    const effects = (call.effects || []).map((effect) => el('details', { class: 'effect' }, el('summary', {}, el('span', { class: 'chip', text: effect.kind }), el('span', { class: 'words', text: this.words(effect) })), jsonBlock(effect.detail)));
    return el('section', { class: 'call' },
      el('h4', {}, `flow ${call.flow}`, el('span', { class: 'quiet', text: call.next ? ` answers ${call.next}` : ' fails' })),
      call.refused.map((no) => el('p', { class: 'refused' }, el('span', { class: 'chip bad', text: no.effect }), ` refused: ${no.reason}. ${no.detail}`)),
      effects.length ? effects : call.failure ? el('p', { class: 'quiet', text: call.failure.words }) : el('p', { class: 'quiet', text: 'no effects' }),
      call.reads?.length ? el('details', { class: 'fold' }, el('summary', { text: `Imports it asked (${call.reads.length})` }), call.reads.map((read) => el('div', { class: 'asked' }, el('code', { text: read.import }), jsonBlock({ request: read.request, answer: read.answer })))) : null,
      call.state !== null && call.state !== undefined ? this.fold('State it keeps', call.state) : null,
      cost && el('p', { class: 'quiet small', text: `${duration(cost.wall_us)} wall · ${duration(cost.cpu_us)} CPU · ${bytes(cost.memory_peak_bytes)} memory · ${cost.host_calls} imports called` }));
  }

  words(effect) {
    const d = effect.detail || {};
    const content = d.content && (Object.values(d.content)[0] || {});
    const list = { reply: () => content.body || content.caption || Object.keys(d.content || {})[0], 'send-template': () => d.name, 'open-ticket': () => `${d.priority}: ${d.subject}`, 'set-timer': () => `${d.id} in ${span(d.after_ms)}`,
      react: () => d.emoji || 'off', 'hand-over': () => d.flow, track: () => `${d.name} +${d.value}`, 'change-consent': () => (d.marketing ? 'marketing: yes' : 'marketing: no') };
    const text = list[effect.kind]?.() ?? (typeof d === 'string' ? d : '');
    return text.length > 140 ? `${text.slice(0, 140)} …` : text;
  }

  fold(title, value) {
    if (value === undefined || value === null) return null;
    return el('details', { class: 'fold' }, el('summary', { text: title }), jsonBlock(value));
  }

  /** The session before and after, with what changed in front. */
  changes(step) {
    if (!step.after) return this.fold('Session', step.before);
    const keys = [...new Set([...Object.keys(step.before), ...Object.keys(step.after)])].filter((key) => key !== 'active_at');
    const changed = keys.filter((key) => JSON.stringify(step.before[key]) !== JSON.stringify(step.after[key]));
    return el('details', { class: 'fold' }, el('summary', { text: `Session${changed.length ? `: ${changed.join(', ')} changed` : ' unchanged'}` }),
      changed.map((key) => el('div', { class: 'change' }, el('code', { text: key }), el('pre', { class: 'json was', tabindex: '0' }, json(step.before[key] ?? null)), el('pre', { class: 'json', tabindex: '0' }, json(step.after[key] ?? null)))));
  }

  session() {
    const last = [...this.one.steps].reverse().find((step) => step.after);
    const { player } = this.one;
    const left = (player.window_closes_at_ms || 0) - now();
    this.panel.replaceChildren(
      el('dl', { class: 'facts' }, el('dt', { text: 'Service window' }), el('dd', { class: 'left', text: left > 0 ? `closes in ${span(left)}` : 'closed: only templates' }),
        el('dt', { text: 'Active flow' }), el('dd', { text: last?.after.active || 'none' }), el('dt', { text: 'Player' }), el('dd', { text: last?.after.player || 'not recognised yet' })),
      ...(last?.after.states || []).map((kept) => el('section', {}, el('h4', { text: `State of ${kept.flow}, version ${kept.version}` }), jsonBlock(kept.state))),
      last ? el('section', {}, el('h4', { text: 'Session' }), jsonBlock(last.after)) : el('p', { class: 'empty', text: 'The session begins with the first message.' }));
  }

  tickets() {
    this.counts();
    if (this.tab !== 'tickets') return;
    const tickets = this.own().map(({ ticket }) => el('article', { class: `ticket ${ticket.closed ? 'is-closed' : ticket.priority}` },
      el('h3', {}, el('span', { class: `chip ${ticket.priority === 'critical' ? 'bad' : ''}`, text: ticket.priority }), ` ${ticket.number}`),
      el('p', { class: 'subject', text: ticket.subject }), el('pre', { class: 'body', tabindex: '0', text: ticket.body }),
      el('p', { class: 'quiet small', text: [ticket.intent, ...(ticket.tags || []), ticket.due_at ? `due ${fullTime(ticket.due_at)}` : null].filter(Boolean).join(' · ') }),
      ticket.closed ? el('p', { class: 'quiet', text: `Closed: ${ticket.closed.resolution}` }) : el('button', { type: 'button', text: 'Close ticket', onclick: () => closeTicket(ticket) })));
    this.panel.replaceChildren(...(tickets.length ? tickets : [el('p', { class: 'empty', text: 'No tickets of this player.' })]));
  }

  timers() {
    this.counts();
    if (this.tab !== 'timers') return;
    const timers = [...(this.one?.timers || [])].sort((a, b) => a.due_at_ms - b.due_at_ms).map((timer) => el('article', { class: 'timer' },
      el('h3', {}, timer.id, el('span', { class: 'quiet', text: ` of ${timer.flow}` })), el('p', {}, 'due ', el('strong', { class: 'due', 'data-due': timer.due_at_ms, text: fullTime(timer.due_at_ms) }), ` (in ${span(timer.due_at_ms - now())})`),
      jsonBlock(timer.payload), el('button', { type: 'button', text: 'Move time there', onclick: () => post('/api/clock', { by_ms: Math.max(1, Math.ceil(timer.due_at_ms - now())) }) })));
    this.panel.replaceChildren(...(timers.length ? timers : [el('p', { class: 'empty', text: 'No timers are set.' })]));
  }

  tick() {
    if (!this.one) return;
    const left = (this.one.player.window_closes_at_ms || 0) - now();
    const node = this.panel.querySelector('.left');
    if (node) node.textContent = left > 0 ? `closes in ${span(left)}` : 'closed: only templates';
  }
}
