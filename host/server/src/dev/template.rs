//! The game's templates as Meta keeps them: approved at once, as on a good day.

use questline_core::template::{Category, Template};
use questline_emulator as meta;
use questline_whatsapp::template::components;

/// Meta has approved this template in all its languages.
pub fn approve(emulator: &meta::Emulator, template: &Template) {
    let category = match template.category {
        Category::Authentication => meta::Category::Authentication,
        Category::Utility => meta::Category::Utility,
        Category::Marketing => meta::Category::Marketing,
    };
    for (language, texts) in &template.languages {
        emulator.put_template(meta::Template::new(&template.name, language, category, components(template, texts)));
    }
}
