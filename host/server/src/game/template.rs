//! Templates of a game: one TOML file each under `templates/`, checked by Meta's rules before Meta sees them.

use std::collections::BTreeMap;

use questline_core::template::Template;

use super::{Bundle, GameProblem, text};

pub(super) fn load(bundle: &Bundle) -> Result<BTreeMap<String, Template>, (String, GameProblem)> {
    let mut templates = BTreeMap::new();
    for (_, path, content) in bundle.under("templates", "toml") {
        let template = read(content).map_err(|problem| (path.to_owned(), problem))?;
        if templates.contains_key(&template.name) {
            return Err((path.to_owned(), GameProblem::Rule(format!("another file declares {:?} too", template.name))));
        }
        templates.insert(template.name.clone(), template);
    }
    Ok(templates)
}

fn read(content: &[u8]) -> Result<Template, GameProblem> {
    let template: Template = toml::from_str(text(content)?)?;
    let problems = questline_whatsapp::template::check(&template);
    match problems.is_empty() {
        true => Ok(template),
        false => Err(GameProblem::Rule(problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))),
    }
}
