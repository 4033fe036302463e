//! What the host says about links: the game's copy under these keys, or these words.

use crate::game::LoadedGame;

pub(super) const MESSAGE: &str = "host-link-message";
pub(super) const APPROVE: &str = "host-link-approve";
pub(super) const DENY: &str = "host-link-deny";

/// By key, for games whose copy lacks them. The first is what the player sends.
const TEXTS: [(&str, &str); 24] = [
    (MESSAGE, "Please link this chat to my account. { $token }"),
    (APPROVE, "Approve"),
    (DENY, "Deny"),
    ("host-linked", "This chat is linked to your { $game } account { $player }. Write UNLINK to end that."),
    ("host-link-wrong", "This link does not work. Ask for a new one in the game."),
    ("host-link-used", "This link was used before. Ask for a new one in the game."),
    ("host-link-expired", "This link is too old. Ask for a new one in the game."),
    ("host-link-many", "Too many links that do not work. Try again in an hour."),
    ("host-link-later", "This does not work just now. Send your message again in a minute."),
    ("host-link-full", "The account has as many chats as it can have. End one of them first."),
    ("host-link-frozen", "Nothing can be linked to this account now."),
    ("host-link-prove", "This chat belongs to another account. To move it, write the code here that we send you now."),
    ("host-link-other", "This chat belongs to another account. End that link in the game first."),
    ("host-link-asked", "The account is linked to { $contact }. We have asked there: approve it within { $minutes } minutes."),
    ("host-link-ask", "{ $contact } wants to be linked to your { $game } account. If you did not start this yourself, deny it."),
    ("host-link-approved", "{ $contact } is linked to your account."),
    ("host-link-denied", "{ $contact } is not linked. If you did not start this yourself, write BLOCK to secure your account."),
    ("host-link-gone", "This was answered before, or it is too late."),
    ("host-link-not-approved", "The account's owner has not agreed: this chat is not linked."),
    ("host-link-unanswered", "Nobody has approved it in time: this chat is not linked."),
    ("host-unlink-prove", "To end the link, write the code here that we send you now."),
    ("host-unlink-none", "This chat is linked to no account."),
    ("host-unlink-elsewhere", "This cannot be done here now. End the link in the game."),
    ("host-unlinked", "This chat is linked to your { $game } account no more."),
];

/// A text in the language nearest to this one.
pub(super) fn text(game: &LoadedGame, locale: Option<&str>, key: &str, arguments: &[(&str, &str)]) -> String {
    let owned: Vec<(String, String)> = arguments.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let found = game.services.copy.text(key, locale.unwrap_or(&game.rules.locale), &owned);
    // A text that leaves the token out would link nobody.
    let carries = |text: &String| key != MESSAGE || owned.iter().all(|(_, value)| text.contains(value));
    found.ok().filter(carries).unwrap_or_else(|| {
        let default = TEXTS.iter().find(|(known, _)| *known == key).map_or("", |(_, text)| text);
        owned.iter().fold(default.to_owned(), |text, (name, value)| text.replace(&format!("{{ ${name} }}"), value))
    })
}
