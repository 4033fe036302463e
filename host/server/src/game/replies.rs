//! `[replies.<flow>]`: the template that goes in place of a flow's replies outside the service window.

use std::collections::BTreeMap;

use questline_core::id::FlowName;
use questline_core::reply::{ReplyRules, StandIn, WORDS_CHARS_MAX};
use questline_core::template::{Category, Template};
use questline_whatsapp::template::BODY_CHARS_MAX;
use serde::Deserialize;

use super::GameProblem;

/// Stands for all flows that have none of their own.
const OTHERS: &str = "*";
/// Characters that the body's other values may take together.
const VALUES_CHARS_MAX: usize = 120;

/// By flow, or `*`.
pub(super) type RepliesFile = BTreeMap<String, StandInFile>;

/// One template.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct StandInFile {
    template: String,
    #[serde(default)]
    body: Vec<String>,
}

/// What the file says, checked against the game's flows and templates.
pub(super) fn rules(
    file: RepliesFile,
    game: &str,
    has_flow: impl Fn(&FlowName) -> bool,
    templates: &BTreeMap<String, Template>,
) -> Result<ReplyRules, GameProblem> {
    let mut rules = ReplyRules::default();
    for (flow, StandInFile { template: name, body }) in file {
        let wrong = |problem: String| GameProblem::Rule(format!("[replies.{flow:?}] {problem}"));
        let template = templates.get(&name).ok_or_else(|| {
            GameProblem::TemplateMissing(format!("[replies.{flow:?}] template is {name:?}, and templates/ has none of that name"))
        })?;
        if template.category == Category::Authentication {
            return Err(wrong(format!("template {name:?} is for codes")));
        }
        let stand_in = StandIn { template: name, body };
        stand_in.check(template).map_err(|mismatch| wrong(mismatch.to_string()))?;
        check_room(&stand_in, game, template).map_err(wrong)?;
        if flow == OTHERS {
            rules.others = Some(stand_in);
            continue;
        }
        let known = FlowName::parse(&flow).ok().filter(&has_flow);
        let known =
            known.ok_or_else(|| wrong(format!("there is no [flows.{flow}]; {OTHERS:?} stands for all that have none of their own")))?;
        rules.flows.insert(known, stand_in);
    }
    Ok(rules)
}

/// Filled in, a body must not be longer than Meta takes (132005).
fn check_room(stand_in: &StandIn, game: &str, template: &Template) -> Result<(), String> {
    let values: usize = stand_in.values(game, "").iter().map(|value| value.chars().count()).sum();
    if values > VALUES_CHARS_MAX {
        return Err(format!("the values of body have {values} characters; beside {{text}} they may have {VALUES_CHARS_MAX}"));
    }
    let times = stand_in.body.iter().map(|value| value.matches("{text}").count()).sum::<usize>();
    if times > 1 {
        return Err("{text} stands once at most".to_owned());
    }
    let room = BODY_CHARS_MAX - times * WORDS_CHARS_MAX - VALUES_CHARS_MAX;
    for (language, texts) in &template.languages {
        let found = texts.body.chars().count();
        if found > room {
            return Err(format!(
                "the body of {:?} in {language:?} has {found} characters; beside its values there is room for {room}",
                template.name
            ));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use questline_core::template::Texts;

    use super::*;

    fn templates(body: &str) -> BTreeMap<String, Template> {
        let texts = Texts { header: None, body: body.into(), footer: None, examples: Default::default(), buttons: Vec::new() };
        let template = |name: &str, category| Template {
            name: name.into(),
            category,
            code_expiration_minutes: None,
            add_security_recommendation: false,
            send_ttl_s: None,
            languages: BTreeMap::from([("en".into(), texts.clone())]),
        };
        let all = [template("answer", Category::Utility), template("code", Category::Authentication)];
        all.into_iter().map(|template| (template.name.clone(), template)).collect()
    }

    fn read(file: &str, body: &str) -> Result<ReplyRules, String> {
        let file: RepliesFile = toml::from_str(file).unwrap();
        rules(file, "Starfall", |flow| flow.as_str() == "vip", &templates(body)).map_err(|problem| problem.to_string())
    }

    const BODY: &str = "News from {{1}}: {{2}} Write to us.";

    #[test]
    fn a_flow_has_its_own_or_that_of_all_others() {
        let file = "[vip]\ntemplate = \"answer\"\nbody = [\"{game}\", \"{text}\"]\n[\"*\"]\ntemplate = \"answer\"\nbody = [\"a\", \"b\"]\n";
        let rules = read(file, BODY).unwrap();
        assert!(rules.of(&FlowName::parse("vip").unwrap()).unwrap().takes_words());
        assert!(!rules.of(&FlowName::parse("other").unwrap()).unwrap().takes_words());
    }

    #[test]
    fn what_cannot_be_sent_is_refused_with_its_reason() {
        let long = format!("News from {{{{1}}}}: {{{{2}}}} {}", "word ".repeat(80));
        for (file, body, words) in [
            ("[vip]\ntemplate = \"gone\"\n", BODY, "templates/ has none of that name"),
            ("[vip]\ntemplate = \"code\"\nbody = [\"a\", \"b\"]\n", BODY, "is for codes"),
            ("[vip]\ntemplate = \"answer\"\nbody = [\"{text}\"]\n", BODY, "takes 2 values in its body, and got 1"),
            ("[shop]\ntemplate = \"answer\"\nbody = [\"a\", \"b\"]\n", BODY, "there is no [flows.shop]"),
            ("[vip]\ntemplate = \"answer\"\nbody = [\"{text}\", \"{text}\"]\n", BODY, "stands once at most"),
            ("[vip]\ntemplate = \"answer\"\nbody = [\"{game}\", \"{text}\"]\n", long.as_str(), "there is room for"),
        ] {
            let problem = read(file, body).unwrap_err();
            assert!(problem.contains(words), "{problem}");
        }
    }
}
