//! Templates that an answer sends, by the flow's wish or in place of replies that come after the window has closed. What Meta
//! says of them decides beside what the game says: which language can be sent, and whether it is marketing.

use super::Apply;
use super::window_closed;
use crate::conversation::Conversation;
use crate::effect::SendTemplate;
use crate::game::{FlowBinding, Game};
use crate::message::Outbound;
use crate::outbox::{Content, MessageClass};
use crate::outcome::RefusalReason;
use crate::reply::{StandIn, on_one_line};
use crate::step::Step;
use crate::template::at_meta::{Book, Choice, counts_as};
use crate::template::{Category, Template, TemplateMessage, TemplateMismatch};
use crate::time::UnixMs;

type Refused = (RefusalReason, String);

/// Replies of one answer that came after the window had closed.
#[derive(Debug, Default)]
pub(super) struct Late {
    /// Where in the outbox their template goes.
    place: usize,
    /// What they say.
    words: String,
}

impl Step<'_> {
    /// Whether a flow's template can go.
    pub(super) fn refuse_template(&self, template: &SendTemplate) -> Result<(), Refused> {
        let filled = fill(self.game, &self.conversation, template, self.now)?;
        match filled.category {
            Category::Authentication => Err((RefusalReason::NotGranted, "codes are sent by the host alone".to_owned())),
            Category::Marketing => self.refuse_marketing(),
            Category::Utility => Ok(()),
        }
    }

    /// Whether a template is marketing, as the game or Meta sees it.
    pub(super) fn is_marketing(&self, template: &SendTemplate) -> bool {
        fill(self.game, &self.conversation, template, self.now).is_ok_and(|filled| filled.category == Category::Marketing)
    }

    /// Whether a template can go in place of a late reply.
    pub(super) fn refuse_stand_in(&self, flow: &FlowBinding, content: &Outbound) -> Result<(), Refused> {
        let closed = |why: &str| (RefusalReason::WindowClosed, format!("{}{why}", window_closed()));
        let Some(stand_in) = self.game.replies.of(&flow.name) else { return Err(closed("")) };
        let name = &stand_in.template;
        let words = match content.words() {
            Some(words) => on_one_line(&words),
            None if stand_in.takes_words() => return Err(closed(&format!("; {name:?} takes the reply's words, and it has none"))),
            None => String::new(),
        };
        let filled = stand_in_message(self.game, &self.conversation, stand_in, &words, self.now);
        let filled = filled.map_err(|(_, detail)| closed(&format!("; {detail}")))?;
        if filled.category == Category::Marketing { self.refuse_marketing() } else { Ok(()) }
    }
}

impl Apply<'_> {
    pub(super) fn send_template(&mut self, template: &SendTemplate) {
        if let Some(filled) = fill_in_any_case(self.game, &self.commit.conversation, template, self.now) {
            self.send(class_of(&filled), Content::Template(filled));
        }
    }

    /// A reply that comes after the window has closed: its template goes where the first of them would have.
    pub(super) fn late(&mut self, content: &Outbound) {
        let place = self.commit.outbox.len();
        let late = self.late.get_or_insert_with(|| Late { place, words: String::new() });
        if let Some(words) = content.words() {
            if !late.words.is_empty() {
                late.words.push(' ');
            }
            late.words.push_str(&words);
        }
    }

    /// Sends the template in place of late replies, if there were any.
    pub(super) fn stand_in(&mut self) {
        let Some(Late { place, words }) = self.late.take() else { return };
        let Some(stand_in) = self.game.replies.of(&self.flow.name) else { return };
        let wanted = wish(self.game, stand_in, &on_one_line(&words));
        let Some(filled) = fill_in_any_case(self.game, &self.commit.conversation, &wanted, self.now) else { return };
        let message = self.message(class_of(&filled), Content::Template(filled));
        self.commit.outbox.insert(place, message);
    }
}

fn class_of(filled: &TemplateMessage) -> MessageClass {
    if filled.category == Category::Marketing { MessageClass::Low } else { MessageClass::Normal }
}

fn wish(game: &Game, stand_in: &StandIn, words: &str) -> SendTemplate {
    let body = stand_in.values(&game.name, words);
    SendTemplate { name: stand_in.template.clone(), language: None, body, header: None, buttons: Vec::new() }
}

fn stand_in_message(
    game: &Game,
    conversation: &Conversation,
    stand_in: &StandIn,
    words: &str,
    now: UnixMs,
) -> Result<TemplateMessage, Refused> {
    fill(game, conversation, &wish(game, stand_in, words), now)
}

/// As [`fill`]; where Meta said otherwise since the answer was looked at, the message is made all the same, and the sender decides.
fn fill_in_any_case(game: &Game, conversation: &Conversation, template: &SendTemplate, now: UnixMs) -> Option<TemplateMessage> {
    let known = game.templates.get(&template.name)?;
    let filled = fill(game, conversation, template, now);
    filled.or_else(|_| fill_by(game, conversation, known, template, None, now)).ok()
}

/// Puts values into a template of the game, in the nearest language that can be sent.
fn fill(game: &Game, conversation: &Conversation, template: &SendTemplate, now: UnixMs) -> Result<TemplateMessage, Refused> {
    let known = game.templates.get(&template.name);
    let known = known.ok_or_else(|| (RefusalReason::UnknownTarget, format!("{} has no template {:?}", game.id, template.name)))?;
    let book = game.at_meta.book(&conversation.number);
    fill_by(game, conversation, known, template, book.as_deref(), now)
}

fn fill_by(
    game: &Game,
    conversation: &Conversation,
    known: &Template,
    wanted: &SendTemplate,
    book: Option<&Book>,
    now: UnixMs,
) -> Result<TemplateMessage, Refused> {
    let unknown = |mismatch: TemplateMismatch| (RefusalReason::UnknownTarget, mismatch.to_string());
    let locale = wanted.language.as_deref().or(conversation.session.locale.as_deref()).unwrap_or(&game.locale);
    // A player whose language the template lacks gets it in the game's own, unless the flow insists on one.
    let locales = [Some(locale), wanted.language.is_none().then_some(game.locale.as_str())];
    let (language, category) = match known.choose(locales.into_iter().flatten(), book, now) {
        Choice::Send { language, category } => (language, category),
        // It waits in the outbox.
        Choice::Wait { language, category, .. } => (language, category),
        Choice::Closed { language, standing } => {
            let name = &known.name;
            let detail = format!("template-{}: Meta does not send {name:?} in {language:?} now", standing.as_str());
            return Err((RefusalReason::Other, detail));
        }
        // Filling it says so.
        Choice::NoLanguage => (locale, None),
    };
    let filled = known.fill(language, wanted.header.as_deref(), &wanted.body, &wanted.buttons).map_err(unknown)?;
    Ok(TemplateMessage { category: counts_as(filled.category, category), ..filled })
}
