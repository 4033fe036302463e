//! What a text is about, by the words and phrases that game.toml lists: fast, explainable, and the same every time.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

/// A guess.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Intent {
    /// As in game.toml.
    pub name: String,
    /// 0.0 to 1.0.
    pub confidence: f64,
}

/// The words of every intent, of all languages together.
#[derive(Debug, Clone, Default)]
pub struct Lexicon {
    intents: Vec<(String, Vec<Vec<String>>)>,
}

impl Lexicon {
    /// From name to language to words and phrases.
    pub fn new(intents: &BTreeMap<String, BTreeMap<String, Vec<String>>>) -> Self {
        // A word that two languages share counts once.
        let phrases = |languages: &BTreeMap<String, Vec<String>>| {
            let phrases: BTreeSet<_> =
                languages.values().flatten().map(|phrase| words(phrase)).filter(|phrase| !phrase.is_empty()).collect();
            phrases.into_iter().collect()
        };
        Self { intents: intents.iter().map(|(name, languages)| (name.clone(), phrases(languages))).collect() }
    }

    /// Likeliest first, those that fit at all. A phrase counts for as many words as it has; the confidence is an
    /// intent's share of all that was found, less what a single short word leaves open.
    pub fn classify(&self, text: &str) -> Vec<Intent> {
        let text = words(text);
        let scores = self.intents.iter().map(|(name, phrases)| {
            let found = phrases.iter().filter(|phrase| text.windows(phrase.len()).any(|window| window == phrase.as_slice()));
            (name, found.map(|phrase| phrase.len()).sum::<usize>())
        });
        let mut scores: Vec<_> = scores.filter(|(_, score)| *score > 0).collect();
        let total: usize = scores.iter().map(|(_, score)| score).sum();
        scores.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(b.0)));
        let intent = |(name, score): (&String, usize)| {
            let share = score as f64 / total as f64;
            Intent { name: name.clone(), confidence: share * (1.0 - 0.5f64.powi(score as i32 + 1)) }
        };
        scores.into_iter().map(intent).collect()
    }
}

/// Lower-case words without punctuation. A word is compared whole: "claim" is not in "proclaim".
fn words(text: &str) -> Vec<String> {
    text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).map(str::to_lowercase).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lexicon() -> Lexicon {
        let intent = |words: &[&str]| BTreeMap::from([("en".to_owned(), words.iter().map(|w| (*w).to_owned()).collect())]);
        Lexicon::new(&BTreeMap::from([
            ("balance".to_owned(), intent(&["balance", "how many gems", "gems"])),
            ("purchase-problem".to_owned(), intent(&["purchase", "charged", "did not arrive"])),
        ]))
    }

    #[test]
    fn finds_words_and_phrases_in_any_case() {
        let found = lexicon().classify("HOW many gems do I have?");
        assert_eq!(found[0].name, "balance");
        assert!(found[0].confidence > 0.9, "{found:?}");
        assert_eq!(lexicon().classify("My purchase did not arrive!")[0].name, "purchase-problem");
        assert!(lexicon().classify("Good morning").is_empty());
        assert!(lexicon().classify("rebalanced").is_empty(), "whole words only");
    }

    #[test]
    fn what_stands_in_two_languages_counts_once() {
        let languages =
            |all: &[(&str, &str)]| all.iter().map(|(language, word)| ((*language).to_owned(), vec![(*word).to_owned()])).collect();
        let one = Lexicon::new(&BTreeMap::from([("support".to_owned(), languages(&[("en", "support")]))]));
        let two = Lexicon::new(&BTreeMap::from([("support".to_owned(), languages(&[("en", "Support"), ("de", "support")]))]));
        assert_eq!(one.classify("support, please"), two.classify("support, please"));
    }

    #[test]
    fn two_intents_share_the_confidence() {
        let found = lexicon().classify("charged, what is my balance");
        assert_eq!(found.len(), 2);
        assert!(found[0].confidence < 0.5);
    }
}
