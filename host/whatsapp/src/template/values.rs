//! Values that are put into a template.

use questline_core::template::{Category, TemplateMessage};

use super::{Part, Place, Problem, TemplateProblem};

/// Characters of a one-time code.
pub const CODE_CHARS_MAX: usize = 15;
/// Spaces in a row.
const SPACES_MAX: usize = 4;

/// Whether Meta takes it as a value.
pub(super) fn is_value(value: &str) -> bool {
    !value.trim().is_empty() && !has_odd_space(value)
}

fn has_odd_space(value: &str) -> bool {
    value.contains(['\n', '\r', '\t']) || value.contains(&" ".repeat(SPACES_MAX + 1))
}

/// All that Meta would refuse in a filled template (132000, 132012, 100); nothing if it is fine.
pub fn check_values(message: &TemplateMessage) -> Vec<TemplateProblem> {
    let header = message.header.iter().map(|value| (Part::Header, value));
    let body = message.body.iter().map(|value| (Part::Body, value));
    let buttons = message.buttons.iter().map(|button| (Part::Button(button.index as usize), &button.value));
    let mut problems = Vec::new();
    for (part, value) in header.chain(body).chain(buttons) {
        let mut add = |problem| {
            let place = Place { language: Some(message.language.clone()), part };
            problems.push(TemplateProblem { template: message.name.clone(), place, problem });
        };
        if value.trim().is_empty() {
            add(Problem::Blank);
        } else if has_odd_space(value) {
            add(Problem::ValueWhitespace);
        }
        let found = value.chars().count();
        if message.category == Category::Authentication && found > CODE_CHARS_MAX {
            add(Problem::TooLong { found, max: CODE_CHARS_MAX });
        }
    }
    // The code stands in the body and on the button; the two must be the same.
    let codes = || message.body.iter().chain(message.buttons.iter().map(|button| &button.value));
    if message.category == Category::Authentication && (codes().count() != 2 || codes().any(|code| Some(code) != message.body.first())) {
        let place = Place { language: Some(message.language.clone()), part: Part::Buttons };
        problems.push(TemplateProblem { template: message.name.clone(), place, problem: Problem::Authentication });
    }
    problems
}
