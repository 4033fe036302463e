//! Templates of a game: one TOML file each under `templates/`, checked by Meta's rules before Meta sees them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use questline_core::template::Template;

use super::GameProblem;

pub(super) fn load(dir: &Path) -> Result<BTreeMap<String, Template>, (PathBuf, GameProblem)> {
    let mut templates = BTreeMap::new();
    if !dir.is_dir() {
        return Ok(templates);
    }
    let unreadable = |problem: std::io::Error| (dir.to_owned(), GameProblem::from(problem));
    for entry in std::fs::read_dir(dir).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        if path.extension().is_some_and(|extension| extension == "toml") {
            let template = read(&path).map_err(|problem| (path.clone(), problem))?;
            if templates.contains_key(&template.name) {
                return Err((path, GameProblem::Rule(format!("another file declares {:?} too", template.name))));
            }
            templates.insert(template.name.clone(), template);
        }
    }
    Ok(templates)
}

fn read(path: &Path) -> Result<Template, GameProblem> {
    let template: Template = toml::from_str(&std::fs::read_to_string(path)?)?;
    let problems = questline_whatsapp::template::check(&template);
    match problems.is_empty() {
        true => Ok(template),
        false => Err(GameProblem::Rule(problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))),
    }
}
