//! Two lists side by side: what was expected and what came.

/// A pairing of both lists in their order, with as many pairs that fit as there can be; none where they fit as they are.
pub(super) fn diff<E, F>(
    expected: &[E],
    found: &[F],
    fits: impl Fn(&E, &F) -> bool,
    of_expected: impl Fn(&E) -> Vec<String>,
    of_found: impl Fn(&F) -> Vec<String>,
) -> Option<Diff> {
    if expected.len() == found.len() && expected.iter().zip(found).all(|(expected, found)| fits(expected, found)) {
        return None;
    }
    // The longest common subsequence, from the end.
    let mut longest = vec![vec![0usize; found.len() + 1]; expected.len() + 1];
    for (e, wanted) in expected.iter().enumerate().rev() {
        for (f, came) in found.iter().enumerate().rev() {
            longest[e][f] = if fits(wanted, came) { longest[e + 1][f + 1] + 1 } else { longest[e + 1][f].max(longest[e][f + 1]) };
        }
    }
    let mut diff = Diff { lines: Vec::new(), first_missing: None };
    let (mut e, mut f) = (0, 0);
    while e < expected.len() || f < found.len() {
        match (expected.get(e), found.get(f)) {
            (Some(wanted), Some(came)) if fits(wanted, came) => {
                diff.add("  ", of_found(came));
                (e, f) = (e + 1, f + 1);
            }
            (Some(wanted), came) if came.is_none() || longest[e + 1][f] >= longest[e][f + 1] => {
                diff.first_missing.get_or_insert(e);
                diff.add("- ", of_expected(wanted));
                e += 1;
            }
            (_, Some(came)) => {
                diff.add("+ ", of_found(came));
                f += 1;
            }
            (_, None) => break,
        }
    }
    Some(diff)
}

/// What differs.
pub(super) struct Diff {
    /// `-` for what is missing, `+` for what came instead.
    pub(super) lines: Vec<String>,
    /// Place of the first expectation that is missing.
    pub(super) first_missing: Option<usize>,
}

impl Diff {
    fn add(&mut self, mark: &str, lines: Vec<String>) {
        self.lines.extend(lines.into_iter().map(|line| format!("{mark}{line}")));
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn lines(expected: &[&str], found: &[&str]) -> Option<Vec<String>> {
        let shown = |text: &&str| vec![(*text).to_owned()];
        diff(expected, found, |expected, found| expected == found, shown, shown).map(|diff| diff.lines)
    }

    #[test]
    fn what_is_missing_and_what_came_instead() {
        assert_eq!(lines(&["a", "b"], &["a", "b"]), None);
        assert_eq!(lines(&["a", "b", "c"], &["a", "c"]).unwrap(), ["  a", "- b", "  c"]);
        assert_eq!(lines(&["a"], &["x", "a"]).unwrap(), ["+ x", "  a"]);
        assert_eq!(lines(&["a"], &["b"]).unwrap(), ["- a", "+ b"]);
        assert_eq!(lines(&[], &["b"]).unwrap(), ["+ b"]);
        assert_eq!(lines(&["a"], &[]).unwrap(), ["- a"]);
    }
}
