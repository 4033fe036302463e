//! A template's text, taken apart into parameters and words.

/// A stretch of a text.
pub(super) enum Piece<'a> {
    /// Between two parameters, and maybe empty.
    Between(&'a str),
    /// What stands between `{{` and `}}`; all of the rest, where the `}}` is missing.
    Parameter(&'a str),
}

/// The parameters of a text, and what stands between each two of them.
pub(super) fn pieces(text: &str) -> impl Iterator<Item = Piece<'_>> {
    let mut rest = text;
    let mut pieces = Vec::new();
    while let Some((before, from)) = rest.split_once("{{") {
        if !pieces.is_empty() {
            pieces.push(Piece::Between(before));
        }
        let (inside, after) = from.split_once("}}").unwrap_or((from, ""));
        pieces.push(Piece::Parameter(inside));
        rest = after;
    }
    pieces.into_iter()
}

/// How many times a parameter stands in a text.
pub(super) fn occurrences(text: &str) -> usize {
    pieces(text).filter(|piece| matches!(piece, Piece::Parameter(_))).count()
}

/// Words beside the parameters. Where a script puts no spaces between words, each of its characters counts as one.
pub(super) fn words(text: &str) -> usize {
    let mut bare = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, from)) = rest.split_once("{{") {
        bare.push_str(before);
        bare.push(' ');
        rest = from.split_once("}}").map_or("", |(_, after)| after);
    }
    bare.push_str(rest);
    let spaced = bare.split(|c: char| c.is_whitespace() || unspaced(c));
    let spaced = spaced.filter(|word| word.chars().any(char::is_alphanumeric)).count();
    spaced + bare.chars().filter(|c| unspaced(*c)).count()
}

/// Thai, Lao, Burmese, Khmer, and the East Asian scripts.
fn unspaced(c: char) -> bool {
    let blocks = [0x0E00..=0x0EFF, 0x1000..=0x109F, 0x1780..=0x17FF, 0x3040..=0x30FF, 0x3400..=0x9FFF, 0x20000..=0x3FFFF];
    blocks.iter().any(|block| block.contains(&u32::from(c)))
}
