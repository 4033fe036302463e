//! Template rules.

use questline_core::template::{Template, TemplateButton, Texts, parameters};

/// What Meta would refuse in a template, and where it stands.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{place}: {problem}")]
pub struct TemplateProblem {
    /// For instance `languages.en.body`.
    pub place: String,
    /// What is wrong, with the limit.
    pub problem: String,
}

/// Characters of a name.
const NAME_CHARS_MAX: usize = 512;
const HEADER_CHARS_MAX: usize = 60;
const BODY_CHARS_MAX: usize = 1024;
const FOOTER_CHARS_MAX: usize = 60;
const BUTTONS_MAX: usize = 10;
const BUTTON_CHARS_MAX: usize = 25;
const URL_BUTTONS_MAX: usize = 2;
const URL_CHARS_MAX: usize = 2000;
/// Words that a body needs for each parameter and beyond (2388293: too many parameters for its length).
const WORDS_PER_PARAMETER: usize = 3;

/// All that Meta would refuse ("Template components", "Create templates"); empty when nothing.
pub fn check(template: &Template) -> Vec<TemplateProblem> {
    let mut problems = Problems::default();
    let name = &template.name;
    let fits = !name.is_empty() && name.len() <= NAME_CHARS_MAX && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_');
    problems.unless(fits, "name", || format!("{name:?} is not 1 to {NAME_CHARS_MAX} of a-z, 0-9 and _"));
    problems.unless(!template.languages.is_empty(), "languages", || "there is none".to_owned());
    for (language, texts) in &template.languages {
        let place = format!("languages.{language}");
        let mut parts = language.split('_');
        let known = parts.next().is_some_and(|code| (2..=3).contains(&code.len()) && code.bytes().all(|b| b.is_ascii_lowercase()))
            && parts.all(|part| (2..=4).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_alphanumeric()));
        problems.unless(known, &place, || format!("{language:?} is not written as Meta does, for instance en or pt_BR"));
        check_texts(&place, texts, &mut problems);
    }
    problems.0
}

#[derive(Default)]
struct Problems(Vec<TemplateProblem>);

impl Problems {
    fn unless(&mut self, fits: bool, place: &str, problem: impl FnOnce() -> String) {
        if !fits {
            self.0.push(TemplateProblem { place: place.to_owned(), problem: problem() });
        }
    }

    fn length(&mut self, place: &str, text: &str, max: usize) {
        let found = text.chars().count();
        self.unless((1..=max).contains(&found) && !text.trim().is_empty(), place, || format!("has {found} characters; it takes 1 to {max}"));
    }

    /// Parameters are `{{1}}`, `{{2}}`, ... without a gap.
    fn parameters(&mut self, place: &str, text: &str, max: usize) {
        let count = parameters(text);
        self.unless(count <= max, place, || format!("has {count} parameters; it takes at most {max}"));
        let missing = (1..=count).find(|number| !text.contains(&format!("{{{{{number}}}}}")));
        self.unless(missing.is_none(), place, || format!("parameters are counted without a gap, and {{{{{}}}}} is missing", missing.unwrap_or(0)));
    }
}

fn check_texts(place: &str, texts: &Texts, problems: &mut Problems) {
    let at = |part: &str| format!("{place}.{part}");
    if let Some(header) = &texts.header {
        problems.length(&at("header"), header, HEADER_CHARS_MAX);
        problems.parameters(&at("header"), header, 1);
        problems.unless(!header.contains('\n'), &at("header"), || "is one line".to_owned());
    }
    let (body, trimmed) = (at("body"), texts.body.trim());
    problems.length(&body, &texts.body, BODY_CHARS_MAX);
    problems.parameters(&body, &texts.body, usize::MAX);
    // 2388299: a parameter must not stand first or last.
    problems.unless(!trimmed.starts_with("{{") && !trimmed.ends_with("}}"), &body, || "must not begin or end with a parameter".to_owned());
    let (count, words) = (parameters(&texts.body), texts.body.split_whitespace().count());
    problems.unless(count == 0 || words >= WORDS_PER_PARAMETER * count, &body, || {
        format!("has {count} parameters in {words} words: Meta wants at least {WORDS_PER_PARAMETER} words for each")
    });
    if let Some(footer) = &texts.footer {
        problems.length(&at("footer"), footer, FOOTER_CHARS_MAX);
        problems.parameters(&at("footer"), footer, 0);
    }
    check_buttons(&at("buttons"), &texts.buttons, problems);
}

fn check_buttons(place: &str, buttons: &[TemplateButton], problems: &mut Problems) {
    problems.unless(buttons.len() <= BUTTONS_MAX, place, || format!("there are {}; at most {BUTTONS_MAX} are taken", buttons.len()));
    let is_link = |button: &TemplateButton| matches!(button, TemplateButton::Url { .. });
    let links = buttons.iter().filter(|button| is_link(button)).count();
    problems.unless(links <= URL_BUTTONS_MAX, place, || format!("{links} lead to web pages; at most {URL_BUTTONS_MAX} may"));
    let changes = buttons.windows(2).filter(|pair| is_link(&pair[0]) != is_link(&pair[1])).count();
    problems.unless(changes <= 1, place, || "quick replies and links must each stand together".to_owned());
    for (index, button) in buttons.iter().enumerate() {
        let at = format!("{place}[{index}]");
        match button {
            TemplateButton::QuickReply { text } => problems.length(&at, text, BUTTON_CHARS_MAX),
            TemplateButton::Url { text, url } => {
                problems.length(&at, text, BUTTON_CHARS_MAX);
                problems.length(&at, url, URL_CHARS_MAX);
                problems.unless(url.starts_with("https://") || url.starts_with("http://"), &at, || format!("{url:?} is no web address"));
                problems.unless(parameters(url) == 0 || (parameters(url) == 1 && url.ends_with("{{1}}")), &at, || "takes {{1}} at its end only".to_owned());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use questline_core::template::Category;

    fn template(body: &str) -> Template {
        let texts = Texts { header: None, body: body.to_owned(), footer: None, buttons: Vec::new() };
        Template { name: "a_name".into(), category: Category::Utility, languages: [("en".to_owned(), texts)].into() }
    }

    #[test]
    fn faults_are_named_with_their_place() {
        assert_eq!(check(&template("Hello {{1}}, your match is ready.")), []);
        for body in ["{{1}}, your match is ready now", "your match is ready, {{1}}", "a {{1}} b {{2}} c", "see {{2}} in the game now", "", &"x ".repeat(600)] {
            let problems = check(&template(body));
            assert!(!problems.is_empty() && problems.iter().all(|problem| problem.place == "languages.en.body"), "{body:?}: {problems:?}");
        }
        let mut named = template("Hello there.");
        named.name = "A Name".into();
        assert_eq!(check(&named).len(), 1);
    }

    #[test]
    fn buttons_stand_in_groups() {
        let quick = || TemplateButton::QuickReply { text: "Yes".into() };
        let link = |url: &str| TemplateButton::Url { text: "Open".into(), url: url.into() };
        let with = |buttons: Vec<TemplateButton>| {
            let mut template = template("Hello there.");
            template.languages.values_mut().for_each(|texts| texts.buttons.clone_from(&buttons));
            check(&template).len()
        };
        assert_eq!(with(vec![quick(), quick(), link("https://x.example/{{1}}")]), 0);
        assert_eq!(with(vec![quick(), link("https://x.example"), quick()]), 1);
        assert_eq!(with(vec![link("https://x.example/{{1}}/y")]), 1);
        assert_eq!(with(vec![quick(); 11]), 1);
    }
}
