//! Lines at the margin: who is there, and what happens.

use questline_core::message::MediaKind;
use questline_core::port::ServiceError;
use questline_core::verification::Purpose;

use super::words::{self, after, duration, name, some_word, word};
use super::{Wrong, wrong};
use crate::transcript::script::{Action, Attachment, BackendAnswer, EnteredCode, Role, Traits, Who};

/// What can stand at the margin of a scene.
const ACTIONS: &str = "`<player>: <words>`, `<player> taps|picks|sends|reacts|enters ...`, `after <time>`, `event <name> for <player>`, \
    `delivery to <player> fails <code>`, `agent closes ticket of <player>`, `game sends <player> a code for <purpose>`, `backend <operation> answers|fails ...`, `scene <title>`";

/// Nobody can be called so: these words begin what is expected.
const EXPECTED_WORDS: [&str; 23] = [
    "bot",
    "buttons",
    "list",
    "header",
    "footer",
    "link",
    "asks",
    "image",
    "video",
    "audio",
    "document",
    "sticker",
    "caption",
    "template",
    "reaction",
    "ticket",
    "timer",
    "state",
    "consent",
    "calls",
    "fails",
    "code",
    "authenticated",
];

/// `Nova is p-1001`, `Ghost is unknown`, `Kim has tier gold, locale de`.
pub(super) fn role(line: u32, text: &str) -> Result<Role, Wrong<'_>> {
    let (player, rest) = name(text)?;
    let (verb, what) = word(rest);
    let (who, told) = match verb {
        "has" => (Who::Made, what),
        "is" => {
            let (who, told) = what.split_once(',').map_or((what, ""), |(who, told)| (who.trim(), told));
            match who {
                "" => return wrong(what, "a sample player's id or name, or `unknown`"),
                "unknown" => (Who::Unknown, told),
                who => (Who::Sample(who.to_owned()), told),
            }
        }
        _ => return wrong(rest, "`is <id of a sample player>`, `is unknown` or `has tier <tier>`"),
    };
    let mut traits = Traits::default();
    if who == Who::Made && told.trim().is_empty() {
        return wrong(what, "what the player has, for instance `tier gold, locale de`");
    }
    for part in told.split(',').filter(|part| !part.trim().is_empty()) {
        add_trait(&mut traits, part.trim(), &who)?;
    }
    Ok(Role { line, name: player.to_owned(), who, traits })
}

fn add_trait<'a>(traits: &mut Traits, text: &'a str, who: &Who) -> Result<(), Wrong<'a>> {
    const EXPECTED: &str = "`tier`, `locale`, `country`, `device`, `premium`, `free`, `purchase` with a value, or `hidden number`";
    let (key, value) = word(text);
    if text == "hidden number" {
        traits.hidden_number = true;
        return Ok(());
    }
    if *who == Who::Unknown {
        return wrong(text, "`hidden number`, or nothing: the studio knows no more of somebody unknown");
    }
    if value.is_empty() {
        return wrong(text, EXPECTED);
    }
    let number = || value.replace('_', "").parse::<u64>().or_else(|_| wrong(value, "a whole number"));
    match key {
        "tier" => traits.tier = Some(value.to_owned()),
        "locale" => traits.locale = Some(value.to_owned()),
        "country" => traits.country = Some(value.to_owned()),
        "device" => traits.devices.push(value.to_owned()),
        "premium" => traits.premium = Some(number()?),
        "free" => traits.free = Some(number()?),
        "purchase" => traits.purchase = Some(price(value)?),
        _ => return wrong(text, EXPECTED),
    }
    Ok(())
}

/// `49.99 USD`.
fn price(text: &str) -> Result<(u64, String), Wrong<'_>> {
    let (amount, currency) = word(text);
    let (whole, hundredths) = amount.split_once('.').unwrap_or((amount, "00"));
    let digits = hundredths.len() == 2 && currency.len() == 3 && currency.bytes().all(|byte| byte.is_ascii_uppercase());
    match (whole.parse::<u64>(), hundredths.parse::<u64>()) {
        (Ok(whole), Ok(hundredths)) if digits && whole < 1_000_000_000 => Ok((whole * 100 + hundredths, currency.to_owned())),
        _ => wrong(text, "an amount and a currency, for instance `49.99 USD`"),
    }
}

/// What happens, and whether lines that begin with `|` may go on with it.
pub(super) fn action(text: &str) -> Result<(Action, bool), Wrong<'_>> {
    let (first, rest) = word(text);
    if let Some((player, words)) = text.split_once(':')
        && words::is_name(player)
    {
        if EXPECTED_WORDS.contains(&player) {
            return wrong(text, format!("what happens; indent what is expected: `  {player}: ...`"));
        }
        return Ok((Action::Says { player: player.to_owned(), text: words.trim().to_owned() }, true));
    }
    let (second, _) = word(rest);
    if matches!(second, "taps" | "picks" | "sends" | "reacts" | "enters") && words::is_name(first) && first != "game" {
        return player_does(first.to_owned(), second, rest[second.len()..].trim()).map(|action| (action, false));
    }
    match first {
        "after" => duration(rest).map(|ms| (Action::Passes { ms }, false)),
        "event" => {
            let (event, rest) = some_word(rest, "the event's name")?;
            let (player, payload) = name(after(rest, "for")?)?;
            Ok((Action::GameEvent { name: event.to_owned(), player: player.to_owned(), payload: payload.to_owned() }, true))
        }
        "delivery" => {
            let (player, rest) = name(after(rest, "to")?)?;
            let (code, detail) = word(after(rest, "fails")?);
            let code = code.parse().or_else(|_| wrong(rest, "`fails` and Meta's error code, for instance `fails 131026`"))?;
            Ok((Action::DeliveryFails { player: player.to_owned(), code, detail: detail.to_owned() }, false))
        }
        "agent" => {
            let rest = after(after(after(rest, "closes")?, "ticket")?, "of")?;
            let (player, resolution) = rest.split_once(':').unwrap_or((rest, ""));
            let (player, nothing) = name(player)?;
            if !nothing.is_empty() {
                return wrong(nothing, "`:` and how the ticket was resolved, or the end of the line");
            }
            Ok((Action::AgentCloses { player: player.to_owned(), resolution: resolution.trim().to_owned() }, false))
        }
        "game" => {
            let (player, rest) = name(after(rest, "sends")?)?;
            let purpose = purpose(after(after(after(rest, "a")?, "code")?, "for")?)?;
            Ok((Action::CodeSent { player: player.to_owned(), purpose }, false))
        }
        "backend" => backend(rest).map(|action| (action, false)),
        _ => wrong(text, ACTIONS),
    }
}

fn player_does<'a>(player: String, verb: &str, what: &'a str) -> Result<Action, Wrong<'a>> {
    match verb {
        "taps" | "picks" | "reacts" if what.is_empty() => {
            wrong(what, if verb == "reacts" { "an emoji" } else { "the title of a button or row" })
        }
        "taps" => Ok(Action::Taps { player, title: what.to_owned() }),
        "picks" => Ok(Action::Picks { player, title: what.to_owned() }),
        "reacts" => Ok(Action::Reacts { player, emoji: what.to_owned() }),
        "enters" => match what {
            "the code" => Ok(Action::Enters { player, code: EnteredCode::Newest }),
            "a wrong code" => Ok(Action::Enters { player, code: EnteredCode::Wrong }),
            "the code in the game" => Ok(Action::Enters { player, code: EnteredCode::InGame }),
            _ => wrong(what, "`the code`, `a wrong code` or `the code in the game`"),
        },
        _ => attachment(what).map(|what| Action::Sends { player, what }),
    }
}

/// What a code is for.
pub(super) fn purpose(text: &str) -> Result<Purpose, Wrong<'_>> {
    let names = Purpose::ALL.map(Purpose::as_str).join("`, `");
    Purpose::parse(text).map_or_else(|| wrong(text, format!("one of `{names}`")), Ok)
}

/// `image: look`, `a voice note`, `location 52.52, 13.405 Berlin`, `contact +15550100`.
fn attachment(text: &str) -> Result<Attachment, Wrong<'_>> {
    const EXPECTED: &str =
        "`image`, `video`, `audio`, `document` or `sticker` (and `: <caption>`), `location <latitude>, <longitude>`, or `contact <number>`";
    let (kind, rest) = word(text);
    match kind {
        "location" => {
            let (latitude, rest) = rest.split_once(',').map_or((rest, ""), |(latitude, rest)| (latitude.trim(), rest.trim()));
            let (longitude, place) = word(rest);
            match (latitude.parse::<f64>(), longitude.parse::<f64>()) {
                (Ok(latitude), Ok(longitude)) if latitude.abs() <= 90.0 && longitude.abs() <= 180.0 => {
                    Ok(Attachment::Location { latitude, longitude, name: (!place.is_empty()).then(|| place.to_owned()) })
                }
                _ => wrong(rest, "degrees, for instance `location 52.52, 13.405`"),
            }
        }
        "contact" if !rest.is_empty() => Ok(Attachment::Contact { phone: rest.to_owned() }),
        _ => {
            let (kind, caption) = text.split_once(':').map_or((text, None), |(kind, caption)| (kind.trim(), Some(caption.trim())));
            let Some(kind) = media(kind) else { return wrong(text, EXPECTED) };
            Ok(Attachment::Media { kind, caption: caption.filter(|caption| !caption.is_empty()).map(str::to_owned) })
        }
    }
}

/// The kind of a file.
pub(super) fn media(name: &str) -> Option<MediaKind> {
    [MediaKind::Image, MediaKind::Video, MediaKind::Audio, MediaKind::Document, MediaKind::Sticker]
        .into_iter()
        .find(|kind| kind.as_str() == name)
}

/// `claim-rewards answers {...}`, `claim-rewards answers as usual`, `claim-rewards fails: unavailable why`.
fn backend(text: &str) -> Result<Action, Wrong<'_>> {
    let (operation, rest) = some_word(text, "an operation of game.toml")?;
    let (verb, what) = word(rest);
    let answer = match verb {
        "answers" if what == "as usual" => BackendAnswer::AsUsual,
        "answers" => match serde_json::from_str(what) {
            Ok(document) => BackendAnswer::With(document),
            Err(problem) => return wrong(what, format!("JSON or `as usual` ({problem})")),
        },
        "fails:" | "fails" => {
            let (kind, detail) = word(what);
            let detail = if detail.is_empty() { "by the transcript".to_owned() } else { detail.to_owned() };
            BackendAnswer::Fails(match kind {
                "unavailable" => ServiceError::Unavailable(detail),
                "invalid" => ServiceError::Invalid(detail),
                "not-granted" => ServiceError::NotGranted(detail),
                "not-found" => ServiceError::NotFound,
                _ => return wrong(what, "`unavailable`, `not-found`, `invalid` or `not-granted`"),
            })
        }
        _ => return wrong(rest, "`answers <JSON>`, `answers as usual` or `fails: <kind>`"),
    };
    Ok(Action::Backend { operation: operation.to_owned(), answer })
}

/// Adds the lines below, and says whether all makes sense then.
pub(super) fn complete(action: &mut Action, more: &str) -> Result<(), String> {
    match action {
        Action::Says { text, .. } => {
            text.push_str(more);
            *text = text.trim_start_matches('\n').to_owned();
            if text.is_empty() { Err("what the player says, after the colon".into()) } else { Ok(()) }
        }
        Action::GameEvent { payload, .. } => {
            payload.push_str(more);
            if payload.trim().is_empty() {
                "{}".clone_into(payload);
            }
            match serde_json::from_str::<serde_json::Value>(payload) {
                Ok(document) => {
                    *payload = document.to_string();
                    Ok(())
                }
                Err(problem) => Err(format!("JSON after the player's name ({problem})")),
            }
        }
        _ => Ok(()),
    }
}
