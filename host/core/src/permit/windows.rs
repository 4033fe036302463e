//! The permits that are places in sliding windows, which the store keeps: users of a portfolio outside of their service
//! windows, and marketing for a player.

use crate::contact::Contact;
use crate::id::GameId;
use crate::outbox::{NewMessage, OutboxMessage};
use crate::port::{PermitAsk, PermitMember, PermitWindow};
use crate::template::Category;
use crate::time::{DAY_MS, UnixMs};

use super::tier::PortfolioLimit;

/// Meta counts users in a rolling 24 hours.
pub const PORTFOLIO_SPAN_MS: u64 = DAY_MS;
/// The cap on marketing counts messages of a rolling week.
pub const MARKETING_SPAN_MS: u64 = 7 * DAY_MS;
/// Marketing messages that a player gets in a week, where the game does not say otherwise.
pub const MARKETING_PER_WEEK: u32 = 3;

/// The window of a portfolio's users.
pub fn portfolio_window(portfolio: &str) -> PermitWindow {
    PermitWindow::new(&["portfolio", portfolio])
}

/// Who a contact is to a window: by phone number where there is one, for it is the one that all numbers see.
fn member_of(contact: &Contact) -> PermitMember {
    match (contact.phone(), contact.bsuid()) {
        (Some(phone), _) => PermitMember::new(&["phone", phone.digits()]),
        (None, Some(bsuid)) => PermitMember::new(&["bsuid", bsuid.as_str()]),
        (None, None) => PermitMember::new(&["nobody"]),
    }
}

/// The place in the portfolio's limit that a message takes; none where it takes none.
pub fn portfolio_ask(message: &NewMessage, portfolio: &str, limit: PortfolioLimit, reserve_percent: u8, now: UnixMs) -> Option<PermitAsk> {
    if message.is_inside_window(now) || message.content.category().is_none() {
        return None;
    }
    let max = limit.places(reserve_percent, message.is_critical())?;
    Some(PermitAsk { window: portfolio_window(portfolio), member: member_of(&message.contact), max, span_ms: PORTFOLIO_SPAN_MS, behind: 0 })
}

/// The window of the marketing that a contact gets from a game.
pub fn marketing_window(game: &GameId, contact: &Contact) -> PermitWindow {
    PermitWindow::new(&["marketing", game.as_str(), member_of(contact).as_str()])
}

/// The place among the marketing that a player gets in a week; none for what is no marketing.
pub fn marketing_ask(message: &OutboxMessage, category: Option<Category>, per_week: u32) -> Option<PermitAsk> {
    if category != Some(Category::Marketing) {
        return None;
    }
    let of = &message.message;
    Some(PermitAsk {
        window: marketing_window(&of.game, &of.contact),
        member: PermitMember::new(&["message", &message.id.to_string()]),
        max: per_week,
        span_ms: MARKETING_SPAN_MS,
        behind: 0,
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::contact::PhoneNumber;
    use crate::id::NumberId;
    use crate::permit::Known;
    use crate::permit::tests::{code, marketing, queued, reply, utility};

    const NOW: UnixMs = UnixMs(1_000_000);
    const LIMIT: PortfolioLimit = PortfolioLimit::Users(250);

    #[test]
    fn only_templates_outside_of_the_window_take_a_place() {
        let asks = |message: &NewMessage| portfolio_ask(message, "main", LIMIT, 10, NOW);
        assert_eq!(asks(&reply()), None);
        let known = |until| Some(Box::new(Known { window_until: until, ..Known::default() }));
        assert_eq!(asks(&NewMessage { known: known(Some(NOW.plus_ms(1))), ..utility() }), None);
        assert_eq!(portfolio_ask(&utility(), "main", PortfolioLimit::Unlimited, 10, NOW), None);
        let ask = asks(&utility()).unwrap();
        assert_eq!((ask.max, ask.span_ms), (225, DAY_MS));
        assert_eq!(asks(&code()).unwrap().max, 250, "a share stays for codes");
        let from_elsewhere = NewMessage { number: NumberId::parse("200").unwrap(), known: known(Some(NOW)), ..marketing() };
        assert_eq!(asks(&from_elsewhere).unwrap(), ask, "one contact is one place, from whichever number");
        assert_ne!(portfolio_ask(&utility(), "other", LIMIT, 10, NOW).unwrap().window, ask.window);
    }

    #[test]
    fn marketing_is_counted_for_each_player() {
        let asks = |message: NewMessage, category| marketing_ask(&queued(message), category, 3);
        assert_eq!(asks(utility(), Some(Category::Utility)), None);
        assert_eq!(asks(reply(), None), None);
        let ask = asks(marketing(), Some(Category::Marketing)).unwrap();
        assert_eq!((ask.max, ask.span_ms), (3, 7 * DAY_MS));
        assert!(asks(utility(), Some(Category::Marketing)).is_some(), "what Meta calls marketing is");
        let mut other = marketing();
        other.contact = Contact::new(Some(PhoneNumber::parse("4915112345679").unwrap()), None).unwrap();
        assert_ne!(asks(other, Some(Category::Marketing)).unwrap().window, ask.window);
        assert_eq!(format!("{ask:?}").matches("hidden").count(), 2, "no phone number in words");
    }
}
