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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use std::path::Path;

    use questline_core::template::Category;
    use questline_whatsapp::template::check_submission;

    use super::super::templates;

    /// What a studio usually needs is there, in both languages, in the category that Meta would give it, and ready for review.
    #[test]
    fn the_sample_game_ships_what_a_studio_usually_sends() {
        let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../flows/starfall");
        let shipped = templates(&dir).expect("the sample game's templates");
        for (name, category, values) in [
            ("starfall_code", Category::Authentication, 1),
            ("gaming_otp_verification", Category::Utility, 4),
            ("gaming_tournament_invite", Category::Marketing, 4),
            ("match_found_alert", Category::Utility, 4),
            ("maintenance_notice", Category::Utility, 3),
            ("reward_deposit", Category::Utility, 4),
            ("tier_upgrade", Category::Utility, 4),
            ("refund_confirmation", Category::Utility, 5),
            ("support_answer", Category::Utility, 2),
        ] {
            let template = shipped.iter().find(|template| template.name == name).unwrap_or_else(|| panic!("{name} is missing"));
            assert_eq!(template.category, category, "{name}");
            assert_eq!(template.languages.keys().collect::<Vec<_>>(), ["de", "en"], "{name}");
            for (language, texts) in &template.languages {
                assert_eq!(questline_core::template::parameters(&texts.body), values, "{name} ({language})");
            }
        }
        for template in &shipped {
            assert_eq!(check_submission(template), [], "{}", template.name);
        }
        for template in shipped.iter().filter(|template| template.category == Category::Marketing) {
            let tells_stop = |texts: &questline_core::template::Texts| texts.footer.as_deref().is_some_and(|line| line.contains("STOP"));
            assert!(template.languages.values().all(tells_stop), "{}: how to end it", template.name);
        }
    }
}
