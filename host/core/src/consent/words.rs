//! The words that end and begin marketing, by language, as data. Only a whole text is a word: `stop the match` is for a flow.
//!
//! Most words mean nothing else anywhere, and count for everybody. A word that also has an everyday meaning, or is a word
//! of another language, counts for players of its language only, and for players whose language is not known yet. A game
//! may add words for its languages; it can take none away.

use std::collections::BTreeMap;

use crate::command::HostCommand;

/// The longest word with room for spacing; longer texts are not looked at.
pub const TEXT_BYTES_MAX: usize = 64;
/// A word's letters; what is longer is none.
const LETTERS_BYTES_MAX: usize = 128;

/// Words that count for everybody, as [`Letters`] have them.
const EVERYWHERE: &[(&str, HostCommand)] = &[
    // English, and what carriers and Meta's opt-out button say in it.
    ("block", HostCommand::Block),
    ("optin", HostCommand::Start),
    ("optout", HostCommand::Stop),
    ("start", HostCommand::Start),
    ("stop", HostCommand::Stop),
    ("stopall", HostCommand::Stop),
    ("stopmarketing", HostCommand::Stop),
    ("stoppromotions", HostCommand::Stop),
    ("unstop", HostCommand::Start),
    ("unsubscribe", HostCommand::Stop),
    // German.
    ("keinewerbung", HostCommand::Stop),
    ("stopp", HostCommand::Stop),
    ("werbungabbestellen", HostCommand::Stop),
    ("werbungstoppen", HostCommand::Stop),
    // French.
    ("desabonner", HostCommand::Stop),
    ("désabonner", HostCommand::Stop),
    ("plusdepub", HostCommand::Stop),
    ("stoppub", HostCommand::Stop),
    // Spanish.
    ("cancelarsuscripcion", HostCommand::Stop),
    ("cancelarsuscripción", HostCommand::Stop),
    ("darmedebaja", HostCommand::Stop),
    ("nomáspublicidad", HostCommand::Stop),
    ("nomaspublicidad", HostCommand::Stop),
    // Portuguese.
    ("cancelarinscrição", HostCommand::Stop),
    ("descadastrar", HostCommand::Stop),
    ("pararpromoções", HostCommand::Stop),
    // Italian.
    ("disiscrivimi", HostCommand::Stop),
    ("nopubblicità", HostCommand::Stop),
    // Dutch.
    ("geenreclame", HostCommand::Stop),
    // Polish.
    ("wypiszmnie", HostCommand::Stop),
    // Turkish.
    ("aboneliktencik", HostCommand::Stop),
    ("abonelikiptal", HostCommand::Stop),
    ("reklamistemiyorum", HostCommand::Stop),
    // Vietnamese.
    ("hủyđăngký", HostCommand::Stop),
    // Indonesian, Malay.
    ("berhentilangganan", HostCommand::Stop),
    // Russian, Ukrainian, Bulgarian.
    ("отписаться", HostCommand::Stop),
    ("відписатися", HostCommand::Stop),
    ("старт", HostCommand::Start),
    ("стоп", HostCommand::Stop),
    // Hebrew.
    ("הסר", HostCommand::Stop),
    // Arabic.
    ("إلغاءالاشتراك", HostCommand::Stop),
    ("الغاءالاشتراك", HostCommand::Stop),
    // Hindi; the sign that joins two letters is none itself.
    ("सटॉप", HostCommand::Stop),
    // Thai, without its tone marks.
    ("เลิกรับขาว", HostCommand::Stop),
    // Chinese.
    ("取消订阅", HostCommand::Stop),
    ("取消訂閱", HostCommand::Stop),
    ("退訂", HostCommand::Stop),
    ("退订", HostCommand::Stop),
    // Japanese.
    ("スタート", HostCommand::Start),
    ("ストップ", HostCommand::Stop),
    ("配信停止", HostCommand::Stop),
    // Korean.
    ("수신거부", HostCommand::Stop),
    ("수신동의", HostCommand::Start),
];

/// Words that count for players of a language.
const BOUND: &[(&str, &str, HostCommand)] = &[
    ("ar", "توقف", HostCommand::Stop),
    ("de", "abbestellen", HostCommand::Stop),
    ("es", "alta", HostCommand::Start),
    ("es", "baja", HostCommand::Stop),
    ("es", "parar", HostCommand::Stop),
    ("fr", "arret", HostCommand::Stop),
    ("fr", "arrêt", HostCommand::Stop),
    ("hi", "रोकें", HostCommand::Stop),
    ("id", "berhenti", HostCommand::Stop),
    ("it", "cancellami", HostCommand::Stop),
    ("ja", "停止", HostCommand::Stop),
    ("ko", "중지", HostCommand::Stop),
    ("ms", "berhenti", HostCommand::Stop),
    ("nl", "uitschrijven", HostCommand::Stop),
    ("pl", "wypisz", HostCommand::Stop),
    ("pt", "parar", HostCommand::Stop),
    ("pt", "sair", HostCommand::Stop),
    ("ru", "отписка", HostCommand::Stop),
    ("th", "หยุด", HostCommand::Stop),
    ("tr", "dur", HostCommand::Stop),
    ("tr", "ret", HostCommand::Stop),
    ("vi", "dừng", HostCommand::Stop),
    ("zh", "停止", HostCommand::Stop),
];

/// A text as words are compared: letters and digits alone, in lower case. None where it is too long to be a word.
pub struct Letters {
    bytes: [u8; LETTERS_BYTES_MAX],
    len: usize,
}

impl Letters {
    /// Of a text: case, spacing and punctuation make no difference.
    pub fn of(text: &str) -> Option<Self> {
        if text.len() > TEXT_BYTES_MAX {
            return None;
        }
        let mut letters = Self { bytes: [0; LETTERS_BYTES_MAX], len: 0 };
        // Turkish has an i without its dot, and one that keeps it: all are one here.
        let lower = text.chars().flat_map(char::to_lowercase).map(|c| if c == 'ı' { 'i' } else { c });
        for letter in lower.filter(|c| c.is_alphanumeric()) {
            let place = letters.bytes.get_mut(letters.len..letters.len + letter.len_utf8())?;
            letters.len += letter.encode_utf8(place).len();
        }
        Some(letters)
    }

    /// They, as a text.
    pub fn as_str(&self) -> &str {
        self.bytes.get(..self.len).and_then(|bytes| std::str::from_utf8(bytes).ok()).unwrap_or_default()
    }
}

/// The language of a locale: what stands before its first `-`.
pub fn language_of(locale: &str) -> &str {
    locale.split(['-', '_']).next().unwrap_or(locale)
}

/// Words of a game's own: language and letters, to what they do.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OwnWords(BTreeMap<String, Vec<(String, HostCommand)>>);

/// A word that a game cannot add.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotAWord {
    /// Nothing to compare.
    #[error("it has no letters, or more than {TEXT_BYTES_MAX} bytes")]
    Letters,
    /// It does something else already.
    #[error("it is one of the host's own words, or stands in both lists")]
    Taken,
}

impl OwnWords {
    /// Adds one.
    pub fn add(&mut self, language: &str, word: &str, command: HostCommand) -> Result<(), NotAWord> {
        let letters = Letters::of(word).filter(|letters| !letters.as_str().is_empty()).ok_or(NotAWord::Letters)?;
        let known = find(word, Some(language), self);
        if known.is_some_and(|known| known != command) {
            return Err(NotAWord::Taken);
        }
        if known.is_none() {
            self.0.entry(language_of(language).to_ascii_lowercase()).or_default().push((letters.as_str().to_owned(), command));
        }
        Ok(())
    }

    fn find(&self, letters: &str, language: Option<&str>) -> Option<HostCommand> {
        let mut lists = self.0.iter().filter(|(of, _)| language.is_none_or(|language| of.eq_ignore_ascii_case(language)));
        lists.find_map(|(_, words)| words.iter().find(|(word, _)| word == letters)).map(|(_, command)| *command)
    }
}

/// What a text does, if it is a word and nothing else.
pub(crate) fn find(text: &str, locale: Option<&str>, own: &OwnWords) -> Option<HostCommand> {
    let letters = Letters::of(text)?;
    let letters = letters.as_str();
    if letters.is_empty() {
        return None;
    }
    let language = locale.map(language_of);
    let bound = || {
        let mut of_language = BOUND.iter().filter(|(of, ..)| language.is_none_or(|language| of.eq_ignore_ascii_case(language)));
        of_language.find(|(_, word, _)| *word == letters).map(|(.., command)| *command)
    };
    let everywhere = EVERYWHERE.iter().find(|(word, _)| *word == letters).map(|(_, command)| *command);
    everywhere.or_else(bound).or_else(|| own.find(letters, language))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn all_words_stand_as_they_are_compared_and_once() {
        let mut seen = HashSet::new();
        for word in EVERYWHERE.iter().map(|(word, _)| word).chain(BOUND.iter().map(|(_, word, _)| word)) {
            assert_eq!(Letters::of(word).unwrap().as_str(), *word);
        }
        assert!(EVERYWHERE.iter().all(|(word, _)| seen.insert(*word)));
        assert!(BOUND.iter().all(|(_, word, _)| !seen.contains(word)), "a bound word counts for everybody already");
        assert!(BOUND.iter().all(|(of, word, _)| seen.insert(*of) || !word.is_empty()));
    }

    #[test]
    fn a_word_counts_for_everybody_or_for_its_language() {
        let none = OwnWords::default();
        let stops = |text: &str, locale: Option<&str>| find(text, locale, &none) == Some(HostCommand::Stop);
        for locale in [None, Some("en"), Some("de-AT"), Some("ja")] {
            assert!(
                stops("STOP", locale)
                    && stops("Стоп!", locale)
                    && stops("수신 거부", locale)
                    && stops("DÉSABONNER", locale)
                    && stops("स्टॉप", locale)
            );
        }
        assert!(stops("Baja", Some("es-MX")) && stops("baja.", None) && !stops("baja", Some("en")) && !stops("sair", Some("es")));
        assert!(stops("Arrêt", Some("fr")) && stops("ABONELİK İPTAL", Some("tr")));
        assert_eq!(find("alta", Some("es"), &none), Some(HostCommand::Start));
        assert_eq!(find("alta", Some("it"), &none), None);
        assert_eq!(find("!!!", None, &none), None);
        assert_eq!(find("baja la música", None, &none), None);
    }

    #[test]
    fn a_game_adds_words_and_takes_none_away() {
        let mut own = OwnWords::default();
        own.add("de", "Keine Post mehr", HostCommand::Stop).unwrap();
        assert_eq!(find("keine post mehr!", Some("de-CH"), &own), Some(HostCommand::Stop));
        assert_eq!(find("keine post mehr!", None, &own), Some(HostCommand::Stop));
        assert_eq!(find("keine post mehr!", Some("nl"), &own), None);
        assert_eq!(own.add("en", "stop", HostCommand::Start), Err(NotAWord::Taken));
        assert_eq!(own.add("en", "Block", HostCommand::Stop), Err(NotAWord::Taken));
        assert_eq!(own.add("de", "keine Post mehr", HostCommand::Start), Err(NotAWord::Taken));
        assert_eq!(own.add("en", "...", HostCommand::Stop), Err(NotAWord::Letters));
        assert_eq!(own.add("en", &"x".repeat(65), HostCommand::Stop), Err(NotAWord::Letters));
        own.add("en", "STOP", HostCommand::Stop).unwrap();
        assert_eq!(find("stop", Some("en"), &own), Some(HostCommand::Stop));
    }
}
