//! Examples of a template's values: right where they stand, and all there when the template is submitted.

use questline_core::template::{Template, TemplateButton, Texts, parameters};

use super::values::is_value;
use super::{Part, Place, Problem, TemplateProblem};

/// Examples that there are, and that there have to be, by part.
fn counts(texts: &Texts) -> [(&'static str, usize, usize); 3] {
    let examples = &texts.examples;
    [
        ("header", usize::from(examples.header.is_some()), texts.header.as_deref().map_or(0, parameters)),
        ("body", examples.body.len(), parameters(&texts.body)),
        ("urls", examples.urls.len(), addresses(texts).count()),
    ]
}

/// The addresses of buttons that take a value, without their parameter.
fn addresses(texts: &Texts) -> impl Iterator<Item = &str> {
    texts.buttons.iter().filter_map(|button| match button {
        TemplateButton::Url { url, .. } => url.strip_suffix("{{1}}"),
        _ => None,
    })
}

fn problem(template: &Template, language: Option<&str>, problem: Problem) -> TemplateProblem {
    let place = Place { language: language.map(str::to_owned), part: Part::Examples };
    TemplateProblem { template: template.name.clone(), place, problem }
}

/// What is wrong in the examples that there are.
pub(super) fn unfit(template: &Template, language: Option<&str>, texts: &Texts) -> Vec<TemplateProblem> {
    let counted = counts(texts).into_iter().filter(|(_, found, takes)| *found > 0 && found != takes);
    let counted = counted.map(|(what, found, takes)| Problem::Examples { what, found, takes });
    let examples = &texts.examples;
    let values = examples.header.iter().chain(&examples.body).filter(|example| !is_value(example));
    let values = values.map(|example| Problem::ExampleValue(example.clone()));
    let urls =
        examples.urls.iter().zip(addresses(texts)).filter(|(example, begins)| {
            example.len() <= begins.len() || !example.starts_with(begins) || example.contains(char::is_whitespace)
        });
    let urls = urls.map(|(example, begins)| Problem::ExampleUrl { example: example.clone(), begins: begins.to_owned() });
    counted.chain(values).chain(urls).map(|found| problem(template, language, found)).collect()
}

/// Examples that are not there.
pub(super) fn missing(template: &Template) -> Vec<TemplateProblem> {
    let missing = template.languages.iter().flat_map(|(language, texts)| {
        let counts = counts(texts).into_iter().filter(|(_, found, takes)| *found == 0 && *takes > 0);
        counts.map(move |(what, found, takes)| problem(template, Some(language), Problem::Examples { what, found, takes }))
    });
    missing.collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::collections::BTreeMap;

    use questline_core::template::{Category, Examples};

    use super::super::{check, check_submission};
    use super::*;

    fn template(examples: Examples) -> Template {
        let texts = Texts {
            header: Some("Match {{1}}".into()),
            body: "Hello {{1}}, your match against {{2}} is ready now.".into(),
            footer: None,
            examples,
            buttons: vec![TemplateButton::Url { text: "Open".into(), url: "https://play.example/m/{{1}}".into(), leads_to: None }],
        };
        Template {
            name: "match_found_alert".into(),
            category: Category::Utility,
            code_expiration_minutes: None,
            add_security_recommendation: false,
            send_ttl_s: None,
            languages: BTreeMap::from([("en".into(), texts)]),
        }
    }

    fn whole() -> Examples {
        Examples {
            header: Some("Ranked duel".into()),
            body: vec!["Ada".into(), "Bo".into()],
            urls: vec!["https://play.example/m/m-77".into()],
        }
    }

    fn found(examples: Examples) -> Vec<Problem> {
        check(&template(examples)).into_iter().map(|found| found.problem).collect()
    }

    #[test]
    fn examples_are_needed_for_review_and_not_for_sending() {
        assert_eq!(found(Examples::default()), []);
        let missing: Vec<_> = check_submission(&template(Examples::default())).into_iter().map(|found| found.problem).collect();
        let lacks = |what, takes| Problem::Examples { what, found: 0, takes };
        assert_eq!(missing, [lacks("header", 1), lacks("body", 2), lacks("urls", 1)]);
        assert_eq!(check_submission(&template(whole())), []);
        assert_eq!(
            check_submission(&template(Examples { header: None, ..whole() }))[0].to_string(),
            "template match_found_alert, examples (en): header has 0 examples; it takes 1, one for each parameter"
        );
    }

    #[test]
    fn examples_are_values() {
        assert_eq!(found(Examples { body: vec!["Ada".into()], ..whole() }), [Problem::Examples { what: "body", found: 1, takes: 2 }]);
        let broken = "A\nda".to_owned();
        assert_eq!(found(Examples { body: vec![broken.clone(), "Bo".into()], ..whole() }), [Problem::ExampleValue(broken)]);
        let foreign = "https://other.example/m-77".to_owned();
        let problem = Problem::ExampleUrl { example: foreign.clone(), begins: "https://play.example/m/".into() };
        assert_eq!(found(Examples { urls: vec![foreign], ..whole() }), [problem]);
    }
}
