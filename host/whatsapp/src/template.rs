//! Meta's rules for templates, applied before Meta sees one.
//!
//! Rules: "Templates", "Template components" and "Authentication templates" (Cloud API, v25.0), and the refusals 2388293
//! and 2388299. Lengths count characters. What Meta does not publish is checked at the loosest that is known, so that
//! nothing Meta takes is refused here.

mod digest;
mod examples;
mod pieces;
mod problem;
mod values;
mod wire;

use std::ops::RangeInclusive;

use questline_core::template::{Category, OtpButton, OtpType, SUPPORTED_APPS_MAX, Template, TemplateButton, Texts, parameters};
use questline_core::tracked;

use self::pieces::{Piece, occurrences, pieces, words};
pub use digest::texts_digest;
pub use problem::{Part, Place, Problem, TemplateProblem};
pub use values::{CODE_CHARS_MAX, check_values};
pub use wire::{category_of, category_word, components, creation, edit};

/// Characters of a template's name.
pub const NAME_CHARS_MAX: usize = 512;
/// Characters of a header.
pub const HEADER_CHARS_MAX: usize = 60;
/// Characters of a body.
pub const BODY_CHARS_MAX: usize = 1024;
/// Characters of a footer.
pub const FOOTER_CHARS_MAX: usize = 60;
/// Buttons.
pub const BUTTONS_MAX: usize = 10;
/// Buttons with a web address.
pub const URL_BUTTONS_MAX: usize = 2;
/// Characters on a button.
pub const BUTTON_CHARS_MAX: usize = 25;
/// Longest life of a code that a footer may tell.
pub const CODE_EXPIRATION_MINUTES_MAX: u8 = 90;
/// Characters of a button's web address.
pub const URL_CHARS_MAX: usize = 2000;

/// All that Meta would refuse in a template; nothing if it is fine.
pub fn check(template: &Template) -> Vec<TemplateProblem> {
    let mut found = Found { template, language: None, problems: Vec::new() };
    found.name();
    if template.languages.is_empty() {
        found.add(Part::Languages, Problem::NoLanguages);
    }
    for (language, texts) in &template.languages {
        if !is_language(language) {
            found.add(Part::Languages, Problem::LanguageCode(language.clone()));
        }
        found.language = Some(language);
        found.texts(texts);
        found.language = None;
    }
    found.authentication_fields();
    found.send_ttl();
    found.languages_agree();
    found.problems
}

/// All that Meta would refuse when the template is submitted for review: as [`check`], and examples of all parameters have to
/// be there.
pub fn check_submission(template: &Template) -> Vec<TemplateProblem> {
    let mut problems = check(template);
    if template.category != Category::Authentication {
        problems.extend(examples::missing(template));
    }
    problems
}

/// How long Meta may be asked to try to deliver a message of this category ("Time-to-live", Cloud API v25.0), seconds.
fn send_ttl_range_s(category: Category) -> RangeInclusive<u32> {
    match category {
        Category::Authentication => 30..=900,
        Category::Utility => 30..=43_200,
        Category::Marketing => 43_200..=2_592_000,
    }
}

/// `ll`, `lll`, `ll_CC` or `ll_999`.
fn is_language(code: &str) -> bool {
    let (language, region) = code.split_once('_').map_or((code, None), |(language, region)| (language, Some(region)));
    let region_fits = region.is_none_or(|region| match region.len() {
        2 => region.bytes().all(|byte| byte.is_ascii_uppercase()),
        3 => region.bytes().all(|byte| byte.is_ascii_digit()),
        _ => false,
    });
    (2..=3).contains(&language.len()) && language.bytes().all(|byte| byte.is_ascii_lowercase()) && region_fits
}

struct Found<'a> {
    template: &'a Template,
    language: Option<&'a str>,
    problems: Vec<TemplateProblem>,
}

impl Found<'_> {
    fn add(&mut self, part: Part, problem: Problem) {
        let place = Place { language: self.language.map(str::to_owned), part };
        self.problems.push(TemplateProblem { template: self.template.name.clone(), place, problem });
    }

    fn name(&mut self) {
        let name = &self.template.name;
        if name.is_empty() {
            self.add(Part::Name, Problem::Blank);
        } else if !name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_') {
            self.add(Part::Name, Problem::NameAlphabet);
        }
        self.length(Part::Name, name, NAME_CHARS_MAX);
    }

    fn length(&mut self, part: Part, text: &str, max: usize) {
        let found = text.chars().count();
        if found > max {
            self.add(part, Problem::TooLong { found, max });
        }
    }

    fn texts(&mut self, texts: &Texts) {
        let authentication = self.template.category == Category::Authentication;
        if let Some(header) = &texts.header {
            self.line(Part::Header, header, HEADER_CHARS_MAX, 1);
        }
        self.body(&texts.body, authentication);
        if let Some(footer) = &texts.footer {
            self.line(Part::Footer, footer, FOOTER_CHARS_MAX, 0);
        }
        self.buttons(&texts.buttons);
        self.problems.extend(examples::unfit(self.template, self.language, texts));
        let fixed_form =
            texts.header.is_none() && parameters(&texts.body) == 1 && matches!(texts.buttons.as_slice(), [TemplateButton::Otp(_)]);
        if authentication && !fixed_form {
            self.add(Part::Body, Problem::Authentication);
        }
    }

    /// A header, a footer, a button's text.
    fn line(&mut self, part: Part, text: &str, chars_max: usize, parameters_max: usize) {
        if text.trim().is_empty() {
            self.add(part, Problem::Blank);
        }
        if text.contains(['\n', '\r']) {
            self.add(part, Problem::LineBreak);
        }
        self.length(part, text, chars_max);
        let found = self.parameters(part, text);
        if found > parameters_max {
            self.add(part, Problem::Parameters { found, max: parameters_max });
        }
    }

    fn body(&mut self, body: &str, authentication: bool) {
        if body.trim().is_empty() {
            self.add(Part::Body, Problem::Blank);
        }
        self.length(Part::Body, body, BODY_CHARS_MAX);
        let count = self.parameters(Part::Body, body);
        // Meta writes the body of an authentication template itself: "{{1}} is your verification code."
        if count == 0 || authentication {
            return;
        }
        let trimmed = body.trim();
        if trimmed.starts_with("{{") || trimmed.ends_with("}}") {
            self.add(Part::Body, Problem::ParameterAtEdge);
        }
        if pieces(body).any(|piece| matches!(piece, Piece::Between(text) if text.trim().is_empty())) {
            self.add(Part::Body, Problem::ParametersAdjacent);
        }
        // Meta does not publish its ratio; two words for each parameter, and one more, is the loosest that is reported.
        let (found, needed) = (words(body), 2 * occurrences(body) + 1);
        if found < needed {
            self.add(Part::Body, Problem::TooDense { found, needed });
        }
    }

    /// Checks the form of all parameters; says how many there are.
    fn parameters(&mut self, part: Part, text: &str) -> usize {
        let mut seen = Vec::new();
        for piece in pieces(text) {
            if let Piece::Parameter(inside) = piece {
                match inside.parse::<usize>() {
                    Ok(number) if number > 0 && !inside.starts_with(['0', '+']) => seen.push(number),
                    _ => self.add(part, Problem::Parameter(crate::bound::cut(inside, 64).to_owned())),
                }
            }
        }
        seen.sort_unstable();
        seen.dedup();
        if let Some(gap) = (1..).zip(&seen).find_map(|(expected, &number)| (expected != number).then_some(expected)) {
            self.add(part, Problem::ParameterGap(gap));
        }
        seen.len()
    }

    fn buttons(&mut self, buttons: &[TemplateButton]) {
        let urls = buttons.iter().filter(|button| matches!(button, TemplateButton::Url { .. })).count();
        for (kind, found, max) in [("buttons", buttons.len(), BUTTONS_MAX), ("web address buttons", urls, URL_BUTTONS_MAX)] {
            if found > max {
                self.add(Part::Buttons, Problem::TooManyButtons { kind, found, max });
            }
        }
        let changes = buttons.windows(2).filter(|pair| std::mem::discriminant(&pair[0]) != std::mem::discriminant(&pair[1]));
        if changes.count() > 1 {
            self.add(Part::Buttons, Problem::ButtonsMixed);
        }
        for (index, button) in buttons.iter().enumerate() {
            let part = Part::Button(index);
            if let Some(text) = text_of(button) {
                self.line(part, text, BUTTON_CHARS_MAX, 0);
                if buttons[..index].iter().any(|other| text_of(other) == Some(text)) {
                    self.add(part, Problem::ButtonDoubled(text.to_owned()));
                }
            }
            match button {
                TemplateButton::QuickReply { .. } => {}
                TemplateButton::Url { url, leads_to, .. } => {
                    self.url(part, url);
                    if let Some(leads_to) = leads_to {
                        self.leads_to(part, url, leads_to);
                    }
                }
                TemplateButton::Otp(otp) => self.otp(part, otp),
            }
        }
    }

    /// The button of an authentication template.
    fn otp(&mut self, part: Part, otp: &OtpButton) {
        if self.template.category != Category::Authentication {
            self.add(part, Problem::OtpElsewhere);
        }
        if let Some(text) = &otp.autofill_text {
            self.line(part, text, BUTTON_CHARS_MAX, 0);
        }
        let apps = otp.supported_apps.len();
        let (takes_apps, takes_terms) = match otp.otp_type {
            OtpType::CopyCode => (0..=0, false),
            OtpType::OneTap => (1..=SUPPORTED_APPS_MAX, false),
            OtpType::ZeroTap => (1..=SUPPORTED_APPS_MAX, true),
        };
        if !takes_apps.contains(&apps) {
            self.add(part, Problem::SupportedApps { found: apps, min: *takes_apps.start(), max: *takes_apps.end() });
        }
        if otp.otp_type == OtpType::CopyCode && otp.autofill_text.is_some() {
            self.add(part, Problem::AutofillOfCopyCode);
        }
        if otp.zero_tap_terms_accepted != takes_terms {
            self.add(part, Problem::ZeroTapTerms { needed: takes_terms });
        }
    }

    /// What only authentication templates have, and what it may be.
    fn authentication_fields(&mut self) {
        let Template { category, code_expiration_minutes, add_security_recommendation, .. } = self.template;
        let says = code_expiration_minutes.is_some() || *add_security_recommendation;
        if says && *category != Category::Authentication {
            self.add(Part::Body, Problem::AuthenticationFields);
        }
        if let Some(minutes) = code_expiration_minutes.filter(|minutes| !(1..=CODE_EXPIRATION_MINUTES_MAX).contains(minutes)) {
            self.add(Part::Footer, Problem::CodeExpiration { found: minutes, max: CODE_EXPIRATION_MINUTES_MAX });
        }
    }

    fn send_ttl(&mut self) {
        let range = send_ttl_range_s(self.template.category);
        if let Some(found) = self.template.send_ttl_s.filter(|found| !range.contains(found)) {
            self.add(Part::SendTtl, Problem::SendTtl { found, min: *range.start(), max: *range.end() });
        }
    }

    fn url(&mut self, part: Part, url: &str) {
        self.length(part, url, URL_CHARS_MAX);
        let fixed = url.strip_suffix("{{1}}").unwrap_or(url);
        if fixed.contains("{{") || fixed.contains("}}") {
            self.add(part, Problem::UrlParameter);
        }
        let rest = fixed.strip_prefix("https://").or_else(|| fixed.strip_prefix("http://"));
        if rest.is_none_or(|rest| rest.is_empty() || rest.starts_with('/')) || url.contains(char::is_whitespace) {
            self.add(part, Problem::Url);
        }
    }

    /// The address of a link that is counted, and the one that counts it.
    fn leads_to(&mut self, part: Part, url: &str, leads_to: &str) {
        let through_us = url.strip_suffix("{{1}}").is_some_and(|url| url.starts_with("https://") && url.ends_with(tracked::PATH));
        if !through_us {
            self.add(part, Problem::CountedUrl);
        }
        if let Err(problem) = tracked::check_target(leads_to) {
            self.add(part, Problem::LeadsTo(problem));
        }
    }

    /// Values are put into whichever language is nearest, so all have to take the same.
    fn languages_agree(&mut self) {
        let mut languages = self.template.languages.iter();
        let Some((first_language, first)) = languages.next() else { return };
        let differ = |found, expected| Problem::LanguagesDiffer { found, expected, language: first_language.clone() };
        for (language, texts) in languages {
            self.language = Some(language);
            for (part, found, expected) in [
                (Part::Header, count(texts.header.as_deref()), count(first.header.as_deref())),
                (Part::Body, parameters(&texts.body), parameters(&first.body)),
                (Part::Buttons, texts.buttons.len(), first.buttons.len()),
            ] {
                if found != expected {
                    self.add(part, differ(found, expected));
                }
            }
            for (index, (button, other)) in texts.buttons.iter().zip(&first.buttons).enumerate() {
                let (found, expected) = (usize::from(button.takes_value()), usize::from(other.takes_value()));
                if found != expected || std::mem::discriminant(button) != std::mem::discriminant(other) {
                    self.add(Part::Button(index), differ(found, expected));
                }
                if let (TemplateButton::Otp(otp), TemplateButton::Otp(other)) = (button, other)
                    && (otp.otp_type != other.otp_type || otp.supported_apps != other.supported_apps)
                {
                    self.add(Part::Button(index), Problem::OtpDiffers { language: first_language.clone() });
                }
            }
        }
        self.language = None;
    }
}

fn text_of(button: &TemplateButton) -> Option<&str> {
    match button {
        TemplateButton::QuickReply { text } | TemplateButton::Url { text, .. } => Some(text),
        TemplateButton::Otp(otp) => otp.text.as_deref(),
    }
}

fn count(text: Option<&str>) -> usize {
    text.map_or(0, parameters)
}

#[cfg(test)]
mod tests;
