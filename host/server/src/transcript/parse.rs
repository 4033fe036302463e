//! Reads transcripts: one line after the other, each error with its line, its column and what could stand there.
//!
//! Lines that begin at the margin tell what happens; indented ones what is expected of it; lines indented further go on
//! with the text above.

mod action;
mod expect;
mod words;

use std::fmt;

use super::script::{Beat, Expectation, Expected, ExpectedKind, Part, Role, START, Scene};

/// Bytes of a transcript.
const BYTES_MAX: usize = 256 << 10;

/// Where a transcript cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct ParseError {
    /// Counted from 1.
    pub line: u32,
    /// In characters, counted from 1.
    pub column: u32,
    /// What could stand there.
    pub expected: String,
    /// What stands there.
    pub found: String,
}

impl fmt::Display for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { line, column, expected, found } = self;
        write!(f, "line {line}, column {column}: expected {expected}, found ")?;
        if found.is_empty() { f.write_str("the end of the line") } else { write!(f, "`{found}`") }
    }
}

impl std::error::Error for ParseError {}

/// A part of a line that is wrong, before it is known where it stands.
#[derive(Debug)]
struct Wrong<'a> {
    at: &'a str,
    expected: String,
}

fn wrong<'a, T>(at: &'a str, expected: impl Into<String>) -> Result<T, Wrong<'a>> {
    Err(Wrong { at, expected: expected.into() })
}

/// One line, without its end.
#[derive(Clone, Copy)]
struct Line<'a> {
    number: u32,
    raw: &'a str,
}

impl<'a> Line<'a> {
    fn text(self) -> &'a str {
        self.raw.trim()
    }

    fn indentation(self) -> usize {
        self.raw.chars().take_while(|character| character.is_whitespace()).count()
    }

    fn error(self, wrong: Wrong<'_>) -> ParseError {
        // What is wrong is a part of this line: its distance from the line's start is where it stands.
        let offset = (wrong.at.as_ptr() as usize).saturating_sub(self.raw.as_ptr() as usize);
        let before = self.raw.get(..offset).unwrap_or("");
        let found = wrong.at.lines().next().unwrap_or("").trim();
        let found = if found.chars().count() > 40 { found.chars().take(40).chain(['…']).collect() } else { found.to_owned() };
        ParseError { line: self.number, column: before.chars().count() as u32 + 1, expected: wrong.expected, found }
    }
}

/// All scenes of a transcript.
pub(super) fn parse(text: &str) -> Result<Vec<Scene>, ParseError> {
    if text.len() > BYTES_MAX {
        let expected = format!("a transcript of at most {BYTES_MAX} bytes: make several of it");
        return Err(ParseError { line: 1, column: 1, expected, found: format!("{} bytes", text.len()) });
    }
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut parser =
        Parser { lines: text.lines().zip(1..).map(|(raw, number)| Line { number, raw }).collect(), at: 0, ..Parser::default() };
    while let Some(line) = parser.next_line() {
        parser.line(line)?;
    }
    parser.finish()
}

#[derive(Default)]
struct Parser<'a> {
    lines: Vec<Line<'a>>,
    at: usize,
    /// Players that are in every scene: those before the first.
    everywhere: Vec<Role>,
    scenes: Vec<Scene>,
}

impl<'a> Parser<'a> {
    /// The next line that says something.
    fn next_line(&mut self) -> Option<Line<'a>> {
        while let Some(line) = self.lines.get(self.at).copied() {
            self.at += 1;
            if !line.text().is_empty() && !line.text().starts_with('#') {
                return Some(line);
            }
        }
        None
    }

    fn line(&mut self, line: Line<'a>) -> Result<(), ParseError> {
        if line.indentation() > 0 {
            return self.expectation(line);
        }
        let text = line.text();
        let (word, rest) = words::word(text);
        match word {
            "scene" if !rest.is_empty() => {
                self.scenes.push(Scene {
                    title: rest.to_owned(),
                    line: line.number,
                    starts_at: START,
                    roles: self.everywhere.clone(),
                    ignores_replies: false,
                    beats: Vec::new(),
                });
                Ok(())
            }
            "scene" => Err(line.error(Wrong { at: rest_of(text, word), expected: "what the scene is about".into() })),
            "player" => {
                let role = action::role(line.number, rest).map_err(|wrong| line.error(wrong))?;
                match self.scenes.last_mut() {
                    None => self.everywhere.push(role),
                    Some(scene) if scene.beats.is_empty() => scene.roles.push(role),
                    Some(_) => {
                        let expected = "players before the first thing that happens in a scene".into();
                        return Err(line.error(Wrong { at: text, expected }));
                    }
                }
                Ok(())
            }
            _ => {
                let Some(scene) = self.scenes.last_mut() else {
                    return Err(line.error(Wrong { at: text, expected: "`scene` and what it is about, before anything happens".into() }));
                };
                match word {
                    "ignores" if rest == "replies" => scene.ignores_replies = true,
                    "starts" => scene.starts_at = words::starts_at(rest).map_err(|wrong| line.error(wrong))?,
                    _ => {
                        let (action, takes_lines) = action::action(text).map_err(|wrong| line.error(wrong))?;
                        scene.beats.push(Beat { line: line.number, text: text.to_owned(), action, expected: Vec::new() });
                        if takes_lines {
                            self.more_words()?;
                        }
                    }
                }
                Ok(())
            }
        }
    }

    /// Lines that begin with `|` go on with what a player says or an event tells.
    fn more_words(&mut self) -> Result<(), ParseError> {
        let mut more = String::new();
        let first = self.lines.get(self.at.saturating_sub(1)).copied();
        while let Some(line) = self.lines.get(self.at).copied()
            && let Some(text) = line.raw.trim_start().strip_prefix('|')
        {
            self.at += 1;
            more.push('\n');
            more.push_str(text.strip_prefix(' ').unwrap_or(text).trim_end());
        }
        let Some(beat) = self.scenes.last_mut().and_then(|scene| scene.beats.last_mut()) else { return Ok(()) };
        let Some(line) = first else { return Ok(()) };
        action::complete(&mut beat.action, &more).map_err(|expected| line.error(Wrong { at: line.text(), expected }))
    }

    fn expectation(&mut self, line: Line<'a>) -> Result<(), ParseError> {
        let text = line.text();
        let parsed = expect::line(text).map_err(|wrong| line.error(wrong))?;
        let more = if parsed.takes_lines() { self.more_text(line.indentation()) } else { String::new() };
        let beat = self.scenes.last_mut().and_then(|scene| scene.beats.last_mut());
        let Some(beat) = beat else {
            return Err(
                line.error(Wrong { at: text, expected: "something that happens, at the margin, before what is expected of it".into() })
            );
        };
        match parsed.complete(&more).map_err(|expected| line.error(Wrong { at: text, expected }))? {
            expect::Parsed::What(what) => beat.expected.push(Expected { line: line.number, what }),
            expect::Parsed::Part(part) => add_part(beat, part).map_err(|expected| line.error(Wrong { at: text, expected }))?,
            expect::Parsed::TicketSays(says) => match beat.expected.last_mut() {
                Some(Expected { what: Expectation::Ticket { says: slot, .. }, .. }) => *slot = Some(says),
                _ => return Err(line.error(Wrong { at: text, expected: "`ticket: <priority> <intent>` above it".into() })),
            },
        }
        Ok(())
    }

    /// Lines that are indented further than `than`: more of the text above. Empty lines between them count.
    fn more_text(&mut self, than: usize) -> String {
        let (mut more, mut empty) = (String::new(), 0);
        let mut margin = None;
        let mut at = self.at;
        while let Some(line) = self.lines.get(at).copied() {
            at += 1;
            if line.text().is_empty() {
                empty += 1;
                continue;
            }
            if line.indentation() <= than {
                break;
            }
            let margin = *margin.get_or_insert(line.indentation());
            let skip = line.raw.chars().take(margin).take_while(|character| character.is_whitespace()).map(char::len_utf8).sum();
            more.push_str(&"\n".repeat(1 + std::mem::take(&mut empty)));
            more.push_str(line.raw.get(skip..).unwrap_or("").trim_end());
            self.at = at;
        }
        more
    }

    fn finish(self) -> Result<Vec<Scene>, ParseError> {
        if self.scenes.is_empty() {
            let line = self.lines.len().max(1) as u32;
            return Err(ParseError { line, column: 1, expected: "at least one `scene`".into(), found: String::new() });
        }
        match self.scenes.iter().find(|scene| scene.beats.is_empty()) {
            Some(scene) => {
                let expected = format!("something that happens in the scene {:?}", scene.title);
                Err(ParseError { line: scene.line, column: 1, expected, found: "the next scene or the end".into() })
            }
            None => Ok(self.scenes),
        }
    }
}

/// What follows the first word of a line, even if that is nothing.
fn rest_of<'a>(text: &'a str, word: &str) -> &'a str {
    text.get(word.len()..).unwrap_or("")
}

/// Adds to the message above.
fn add_part(beat: &mut Beat, part: Part) -> Result<(), String> {
    match beat.expected.last_mut() {
        Some(Expected { what: Expectation::Message(message), .. }) => match (&message.kind, &part) {
            (ExpectedKind::Template { .. } | ExpectedKind::Reaction(_), _) => {
                Err("no more about a template or a reaction: they have no such parts".into())
            }
            (ExpectedKind::Media(..), part) if !matches!(part, Part::Caption(_)) => Err("`caption:`, or another message".into()),
            (ExpectedKind::Text(_), Part::Caption(_)) => Err("`image:`, `video:` or `document:` above a caption".into()),
            _ => {
                message.parts.push(part);
                Ok(())
            }
        },
        _ => Err("`bot:` with the message's text above it".into()),
    }
}

#[cfg(test)]
mod tests;
