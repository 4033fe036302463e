//! What a webhook tells of templates, in the rules' words.

use questline_core::template::at_meta::{Announced, News, PAUSES_MS, Quality, State, Told};
use questline_core::time::UnixMs;
use questline_whatsapp::template::category_of;
use questline_whatsapp::webhook::field::template::{
    PauseTitle, QualityScore, TemplateCategory, TemplateComponents, TemplateEvent, TemplateQuality, TemplateStatus,
};
use questline_whatsapp::webhook::{News as Update, Summary};

/// Bytes of Meta's reason.
const REASON_BYTES_MAX: usize = 512;

/// The account that a webhook is about and what it tells of one of its templates; none if it is about something else, or names
/// no template.
pub(super) fn told(summary: Summary) -> Option<(String, Told)> {
    let Summary { account, news, .. } = summary;
    let (id, name, language, news) = match news {
        Update::TemplateStatus(status) => {
            let news = state(&status)?;
            (status.id, status.name, status.language, news)
        }
        Update::TemplateQuality(TemplateQuality { id, name, language, new, .. }) => {
            (id, name, language, News::Quality(quality(new.as_ref())))
        }
        Update::TemplateComponents(TemplateComponents { id, name, language, .. }) => (id, name, language, News::Texts),
        Update::TemplateCategory(changed) => {
            let news = category(&changed);
            (changed.id, changed.name, changed.language, news)
        }
        _ => return None,
    };
    Some((account?, Told { name: name?, language: language?, id, news }))
}

fn state(status: &TemplateStatus) -> Option<News> {
    let title = status.other_info.as_ref().and_then(|info| info.title.as_ref());
    let state = match (status.event.as_ref()?, title) {
        (_, Some(PauseTitle::Unpaused)) => Some(State::Approved),
        (_, Some(PauseTitle::Disabled)) => Some(State::Disabled),
        (TemplateEvent::Approved | TemplateEvent::Reinstated, _) => Some(State::Approved),
        (TemplateEvent::Archived, _) => Some(State::Archived),
        (TemplateEvent::Deleted, _) => Some(State::Deleted),
        (TemplateEvent::Disabled, _) => Some(State::Disabled),
        (TemplateEvent::InAppeal, _) => Some(State::InAppeal),
        (TemplateEvent::LimitExceeded, _) => Some(State::LimitExceeded),
        (TemplateEvent::Paused, _) => Some(State::Paused),
        (TemplateEvent::Pending, _) => Some(State::Pending),
        (TemplateEvent::PendingDeletion, _) => Some(State::PendingDeletion),
        (TemplateEvent::Rejected, _) => Some(State::Rejected),
        // What it can be sent for is as it was.
        (TemplateEvent::Flagged | TemplateEvent::Locked | TemplateEvent::Other(_), _) => None,
    };
    let paused_ms = match title {
        Some(PauseTitle::First) => Some(PAUSES_MS[0]),
        Some(PauseTitle::Second) => Some(PAUSES_MS[1]),
        _ => None,
    };
    let rejection = || {
        let told = status.rejection_info.as_ref().and_then(|info| info.reason.clone());
        told.or_else(|| status.reason.as_ref().map(|reason| reason.as_str().to_owned()).filter(|reason| reason != "NONE"))
    };
    let reason = status.other_info.as_ref().and_then(|info| info.description.clone()).or_else(rejection);
    let reason = reason.or_else(|| title.map(|title| title.as_str().to_owned())).map(cut);
    Some(News::State { state, category: status.category.as_deref().and_then(category_of), reason, paused_ms })
}

fn cut(mut reason: String) -> String {
    reason.truncate(reason.floor_char_boundary(REASON_BYTES_MAX));
    reason
}

fn quality(score: Option<&QualityScore>) -> Quality {
    score.map_or(Quality::Unknown, |score| Quality::of(score.as_str()))
}

fn category(changed: &TemplateCategory) -> News {
    let correct = changed.correct_category.as_deref().and_then(category_of);
    let announced = correct.map(|category| Announced {
        category,
        // Meta says when; without a time it is now.
        at: changed.changes_at_s.and_then(|at_s| u64::try_from(at_s).ok()).map_or(UnixMs(0), |at_s| UnixMs(at_s.saturating_mul(1_000))),
    });
    News::Category { now: changed.new_category.as_deref().and_then(category_of), announced }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use questline_core::template::Category;
    use serde_json::{Value, json};

    use super::*;

    fn summary(kind: &str, news: Value) -> Summary {
        serde_json::from_value(json!({ "account": "2001", "news": { kind: news } })).unwrap()
    }

    fn status(news: Value) -> Option<News> {
        let mut named = json!({ "id": "7", "name": "hello", "language": "en" });
        named.as_object_mut().unwrap().extend(news.as_object().unwrap().clone());
        told(summary("template_status", named)).map(|(account, told)| {
            assert_eq!((account.as_str(), told.name.as_str(), told.language.as_str()), ("2001", "hello", "en"));
            told.news
        })
    }

    #[test]
    fn each_word_of_metas_has_its_meaning() {
        let state = |state, reason: Option<&str>, paused_ms| {
            Some(News::State { state, category: None, reason: reason.map(str::to_owned), paused_ms })
        };
        assert_eq!(status(json!({ "event": "APPROVED", "reason": "NONE" })), state(Some(State::Approved), None, None));
        assert_eq!(
            status(json!({ "event": "PAUSED", "other_info": { "title": "FIRST_PAUSE" } })),
            state(Some(State::Paused), Some("FIRST_PAUSE"), Some(10_800_000))
        );
        assert_eq!(
            status(json!({ "event": "PAUSED", "other_info": { "title": "SECOND_PAUSE", "description": "Low quality" } })),
            state(Some(State::Paused), Some("Low quality"), Some(21_600_000))
        );
        assert_eq!(
            status(json!({ "event": "PAUSED", "other_info": { "title": "UNPAUSE" } })),
            state(Some(State::Approved), Some("UNPAUSE"), None)
        );
        assert_eq!(status(json!({ "event": "REJECTED", "reason": "SCAM" })), state(Some(State::Rejected), Some("SCAM"), None));
        assert_eq!(status(json!({ "event": "FLAGGED" })), state(None, None, None));
        assert_eq!(status(json!({ "event": "BEWITCHED" })), state(None, None, None));
        assert_eq!(status(json!({ "reason": "NONE" })), None, "it tells nothing");
    }

    #[test]
    fn categories_are_announced_and_changed() {
        let category = |news: Value| {
            let mut named = json!({ "name": "hello", "language": "en" });
            named.as_object_mut().unwrap().extend(news.as_object().unwrap().clone());
            told(summary("template_category", named)).unwrap().1.news
        };
        let done = category(json!({ "previous_category": "UTILITY", "new_category": "MARKETING" }));
        assert_eq!(done, News::Category { now: Some(Category::Marketing), announced: None });
        let announced = Announced { category: Category::Marketing, at: UnixMs(1_800_000_000_000) };
        let later = category(json!({ "new_category": "UTILITY", "correct_category": "MARKETING", "changes_at_s": 1_800_000_000 }));
        assert_eq!(later, News::Category { now: Some(Category::Utility), announced: Some(announced) });
    }

    #[test]
    fn what_names_no_template_is_passed_over() {
        let nameless = json!({ "event": "APPROVED", "language": "en" });
        assert_eq!(told(summary("template_status", nameless)), None);
        let security = json!({ "event": "PIN_CHANGED" });
        assert_eq!(told(summary("security", security)), None);
    }
}
