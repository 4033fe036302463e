//! What we can say to a player inside the service window, with Meta's limits on it.
//!
//! Limits are of the Cloud API's messages endpoint ("Send messages", v25.0) and count characters, not bytes.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use crate::media::{ReleaseFile, SCHEME, is_name};

/// Characters of a text.
pub const TEXT_CHARS_MAX: usize = 4096;
/// Characters of the body of a message with buttons, a link, a request.
pub const BODY_CHARS_MAX: usize = 1024;
/// Characters of a header's text.
pub const HEADER_CHARS_MAX: usize = 60;
/// Characters of a footer.
pub const FOOTER_CHARS_MAX: usize = 60;
/// Reply buttons.
pub const BUTTONS_MAX: usize = 3;
/// Characters on a button.
pub const BUTTON_TITLE_CHARS_MAX: usize = 20;
/// Characters of a button's id.
pub const BUTTON_ID_CHARS_MAX: usize = 256;
/// Sections of a list.
pub const SECTIONS_MAX: usize = 10;
/// Rows of a list, all sections together.
pub const ROWS_MAX: usize = 10;
/// Characters of a row's or section's title.
pub const ROW_TITLE_CHARS_MAX: usize = 24;
/// Characters of a row's id.
pub const ROW_ID_CHARS_MAX: usize = 200;
/// Characters of a row's description.
pub const ROW_DESCRIPTION_CHARS_MAX: usize = 72;
/// Characters under a file.
pub const CAPTION_CHARS_MAX: usize = 1024;
/// Characters of a link.
pub const LINK_CHARS_MAX: usize = 2000;

/// A message's content.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outbound {
    /// Plain text.
    Text {
        /// What it says.
        body: String,
        /// Show a preview of the first link.
        #[serde(default)]
        preview: bool,
    },
    /// Text with up to three buttons.
    Buttons {
        /// Above it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        header: Option<Header>,
        /// What it says.
        body: String,
        /// Below it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        footer: Option<String>,
        /// One to three.
        buttons: Vec<Button>,
    },
    /// Text with a menu.
    List {
        /// Above it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        header: Option<String>,
        /// What it says.
        body: String,
        /// Below it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        footer: Option<String>,
        /// Opens the menu.
        button: String,
        /// The menu.
        sections: Vec<Section>,
    },
    /// A file.
    Media {
        /// Of this kind.
        kind: MediaKind,
        /// From there.
        source: MediaSource,
        /// Text under it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        caption: Option<String>,
        /// What a document is called.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        filename: Option<String>,
    },
    /// Asks where the player is.
    LocationRequest {
        /// What it says.
        body: String,
    },
    /// Asks for the player's phone number.
    ContactRequest {
        /// What it says.
        body: String,
    },
    /// Text with a link on a button.
    LinkButton {
        /// What it says.
        body: String,
        /// Below it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        footer: Option<String>,
        /// On the button.
        label: String,
        /// Where it leads.
        url: String,
    },
}

/// Above a message with buttons.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Header {
    /// A line.
    Text(String),
    /// A picture, video or document.
    Media(MediaKind, MediaSource),
}

/// A reply button.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Button {
    /// Comes back when it is tapped.
    pub id: String,
    /// What the player reads.
    pub title: String,
}

/// A part of a menu.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Section {
    /// Needed when there are several.
    pub title: String,
    /// At least one.
    pub rows: Vec<Row>,
}

/// A line of a menu.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Row {
    /// Comes back when it is chosen.
    pub id: String,
    /// What the player reads.
    pub title: String,
    /// In small print.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
}

/// Kinds of files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MediaKind {
    /// jpeg, png; 5 MB.
    Image,
    /// mp4, 3gpp; 16 MB.
    Video,
    /// aac, amr, mp3, m4a, ogg opus; 16 MB.
    Audio,
    /// pdf, office files, text; 100 MB.
    Document,
    /// webp; 100 KB, animated 500 KB.
    Sticker,
}

impl MediaKind {
    /// The name in Meta's API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Image => "image",
            Self::Video => "video",
            Self::Audio => "audio",
            Self::Document => "document",
            Self::Sticker => "sticker",
        }
    }
}

/// Where a file is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MediaSource {
    /// Uploaded before: Meta's media id.
    Id(String),
    /// The host fetches it: an https address of a host that game.toml allows.
    Link(String),
    /// A file of the game's release.
    File(ReleaseFile),
}

impl MediaSource {
    /// What a flow writes: `media:banner.png` is a file of the release, all else an address.
    pub fn from_address(address: String) -> Self {
        match address.strip_prefix(SCHEME) {
            Some(name) => Self::File(ReleaseFile { name: name.to_owned(), of: None }),
            None => Self::Link(address),
        }
    }
}

/// A message that Meta would refuse, named before Meta sees it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidMessage {
    /// Too long, too short.
    #[error("{field} has {found} characters; it takes {min} to {max}")]
    Length {
        /// Which part.
        field: &'static str,
        /// How many there are.
        found: usize,
        /// At least.
        min: usize,
        /// At most.
        max: usize,
    },
    /// Too many, too few.
    #[error("there are {found} {field}; a message takes {min} to {max}")]
    Count {
        /// Of what.
        field: &'static str,
        /// How many there are.
        found: usize,
        /// At least.
        min: usize,
        /// At most.
        max: usize,
    },
    /// Two that must differ do not.
    #[error("two {field} are the same: {value:?}")]
    Doubled {
        /// Of what.
        field: &'static str,
        /// The text that stands twice.
        value: String,
    },
    /// Not what it has to be.
    #[error("{field} {problem}")]
    Unfit {
        /// Which part.
        field: &'static str,
        /// What is wrong with it.
        problem: &'static str,
    },
}

fn length(field: &'static str, text: &str, min: usize, max: usize) -> Result<(), InvalidMessage> {
    // A text has at most as many characters as bytes: short texts are not counted.
    let found = if text.len() <= max && min <= 1 { text.len() } else { text.chars().count() };
    if found < min || found > max {
        return Err(InvalidMessage::Length { field, found, min, max });
    }
    if min > 0 && text.trim().is_empty() {
        return Err(InvalidMessage::Unfit { field, problem: "is blank" });
    }
    Ok(())
}

fn count(field: &'static str, found: usize, min: usize, max: usize) -> Result<(), InvalidMessage> {
    if (min..=max).contains(&found) { Ok(()) } else { Err(InvalidMessage::Count { field, found, min, max }) }
}

fn unique<'a>(field: &'static str, mut values: impl Iterator<Item = &'a str> + Clone) -> Result<(), InvalidMessage> {
    while let Some(value) = values.next() {
        if values.clone().any(|other| other == value) {
            return Err(InvalidMessage::Doubled { field, value: value.to_owned() });
        }
    }
    Ok(())
}

fn link(field: &'static str, url: &str, https_only: bool) -> Result<(), InvalidMessage> {
    length(field, url, 1, LINK_CHARS_MAX)?;
    let fits = url.starts_with("https://") || (!https_only && url.starts_with("http://"));
    if fits && !url.contains(char::is_whitespace) { Ok(()) } else { Err(InvalidMessage::Unfit { field, problem: "is no web address" }) }
}

fn is_loopback(url: &str) -> bool {
    ["http://127.0.0.1:", "http://localhost:"].iter().any(|start| url.starts_with(start))
}

impl MediaSource {
    fn check(&self) -> Result<(), InvalidMessage> {
        match self {
            Self::Id(id) => length("media id", id, 1, 256),
            // The host itself fetches it, so what runs beside it needs no certificate.
            Self::Link(url) => link("media link", url, !is_loopback(url)),
            Self::File(file) if is_name(&file.name) => Ok(()),
            Self::File(_) => {
                Err(InvalidMessage::Unfit { field: "media file", problem: "is no path of letters, digits and ._- below media/" })
            }
        }
    }
}

impl Outbound {
    /// The kind's name in logs and metrics.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Text { .. } => "text",
            Self::Buttons { .. } => "buttons",
            Self::List { .. } => "list",
            Self::Media { .. } => "media",
            Self::LocationRequest { .. } => "location-request",
            Self::ContactRequest { .. } => "contact-request",
            Self::LinkButton { .. } => "link-button",
        }
    }

    /// What it says in words, a link's address included; none for a file without any.
    pub fn words(&self) -> Option<Cow<'_, str>> {
        Some(match self {
            Self::Text { body, .. }
            | Self::Buttons { body, .. }
            | Self::List { body, .. }
            | Self::LocationRequest { body }
            | Self::ContactRequest { body } => Cow::Borrowed(body),
            Self::Media { caption, .. } => Cow::Borrowed(caption.as_deref()?),
            Self::LinkButton { body, url, .. } => Cow::Owned(format!("{body} {url}")),
        })
    }

    /// The file that it takes along, if any.
    pub fn media(&self) -> Option<(MediaKind, &MediaSource)> {
        match self {
            Self::Media { kind, source, .. } => Some((*kind, source)),
            Self::Buttons { header: Some(Header::Media(kind, source)), .. } => Some((*kind, source)),
            _ => None,
        }
    }

    /// The same, to be changed.
    pub fn media_mut(&mut self) -> Option<&mut MediaSource> {
        match self {
            Self::Media { source, .. } => Some(source),
            Self::Buttons { header: Some(Header::Media(_, source)), .. } => Some(source),
            _ => None,
        }
    }

    /// Refuses what Meta would refuse.
    pub fn check(&self) -> Result<(), InvalidMessage> {
        match self {
            Self::Text { body, .. } => length("text", body, 1, TEXT_CHARS_MAX),
            Self::Buttons { header, body, footer, buttons } => {
                if let Some(header) = header {
                    match header {
                        Header::Text(text) => length("header", text, 1, HEADER_CHARS_MAX)?,
                        Header::Media(MediaKind::Image | MediaKind::Video | MediaKind::Document, source) => source.check()?,
                        Header::Media(..) => {
                            return Err(InvalidMessage::Unfit { field: "header", problem: "takes an image, a video or a document" });
                        }
                    }
                }
                length("body", body, 1, BODY_CHARS_MAX)?;
                check_footer(footer.as_deref())?;
                count("buttons", buttons.len(), 1, BUTTONS_MAX)?;
                for button in buttons {
                    length("button title", &button.title, 1, BUTTON_TITLE_CHARS_MAX)?;
                    length("button id", &button.id, 1, BUTTON_ID_CHARS_MAX)?;
                }
                unique("button titles", buttons.iter().map(|button| button.title.as_str()))?;
                unique("button ids", buttons.iter().map(|button| button.id.as_str()))
            }
            Self::List { header, body, footer, button, sections } => {
                check_list(header.as_deref(), body, footer.as_deref(), button, sections)
            }
            Self::Media { kind, source, caption, filename } => {
                source.check()?;
                if let Some(caption) = caption {
                    if matches!(kind, MediaKind::Audio | MediaKind::Sticker) {
                        return Err(InvalidMessage::Unfit { field: "caption", problem: "does not go with audio and stickers" });
                    }
                    length("caption", caption, 1, CAPTION_CHARS_MAX)?;
                }
                filename.as_deref().map_or(Ok(()), |name| length("filename", name, 1, 240))
            }
            Self::LocationRequest { body } | Self::ContactRequest { body } => length("body", body, 1, BODY_CHARS_MAX),
            Self::LinkButton { body, footer, label, url } => {
                length("body", body, 1, BODY_CHARS_MAX)?;
                check_footer(footer.as_deref())?;
                length("label", label, 1, BUTTON_TITLE_CHARS_MAX)?;
                link("url", url, false)
            }
        }
    }
}

fn check_footer(footer: Option<&str>) -> Result<(), InvalidMessage> {
    footer.map_or(Ok(()), |footer| length("footer", footer, 1, FOOTER_CHARS_MAX))
}

fn check_list(header: Option<&str>, body: &str, footer: Option<&str>, button: &str, sections: &[Section]) -> Result<(), InvalidMessage> {
    if let Some(header) = header {
        length("header", header, 1, HEADER_CHARS_MAX)?;
    }
    length("body", body, 1, TEXT_CHARS_MAX)?;
    check_footer(footer)?;
    length("button", button, 1, BUTTON_TITLE_CHARS_MAX)?;
    count("sections", sections.len(), 1, SECTIONS_MAX)?;
    let rows = || sections.iter().flat_map(|section| &section.rows);
    count("rows", rows().count(), 1, ROWS_MAX)?;
    for section in sections {
        length("section title", &section.title, usize::from(sections.len() > 1), ROW_TITLE_CHARS_MAX)?;
        count("rows in a section", section.rows.len(), 1, ROWS_MAX)?;
    }
    for row in rows() {
        length("row title", &row.title, 1, ROW_TITLE_CHARS_MAX)?;
        length("row id", &row.id, 1, ROW_ID_CHARS_MAX)?;
        if let Some(description) = &row.description {
            length("row description", description, 1, ROW_DESCRIPTION_CHARS_MAX)?;
        }
    }
    unique("row ids", rows().map(|row| row.id.as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn buttons(titles: &[&str]) -> Outbound {
        let buttons = titles.iter().enumerate().map(|(n, title)| Button { id: format!("b{n}"), title: (*title).to_owned() });
        Outbound::Buttons { header: None, body: "Choose".into(), footer: None, buttons: buttons.collect() }
    }

    fn list(sections: usize, rows: usize) -> Outbound {
        let row = |s: usize, r: usize| Row { id: format!("{s}-{r}"), title: format!("Row {r}"), description: None };
        let section = |s: usize| Section { title: format!("Part {s}"), rows: (0..rows).map(|r| row(s, r)).collect() };
        Outbound::List {
            header: None,
            body: "Choose".into(),
            footer: None,
            button: "Open".into(),
            sections: (0..sections).map(section).collect(),
        }
    }

    #[test]
    fn counts_characters_not_bytes() {
        assert_eq!(Outbound::Text { body: "ä".repeat(4096), preview: false }.check(), Ok(()));
        assert!(Outbound::Text { body: "ä".repeat(4097), preview: false }.check().is_err());
        assert_eq!(buttons(&["ääääääääääääääääääää"]).check(), Ok(()));
        assert!(Outbound::Text { body: "  \n".into(), preview: false }.check().is_err());
    }

    #[test]
    fn buttons_within_metas_limits() {
        assert_eq!(buttons(&["a", "b", "c"]).check(), Ok(()));
        assert!(matches!(buttons(&["a", "b", "c", "d"]).check(), Err(InvalidMessage::Count { found: 4, max: 3, .. })));
        assert!(matches!(buttons(&[]).check(), Err(InvalidMessage::Count { found: 0, .. })));
        assert!(matches!(buttons(&["123456789012345678901"]).check(), Err(InvalidMessage::Length { found: 21, max: 20, .. })));
        assert!(matches!(buttons(&["a", "a"]).check(), Err(InvalidMessage::Doubled { .. })));
    }

    #[test]
    fn lists_count_rows_over_all_sections() {
        assert_eq!(list(2, 5).check(), Ok(()));
        assert!(list(3, 4).check().is_err());
        assert!(list(0, 0).check().is_err());
    }

    #[test]
    fn links_are_web_addresses() {
        let media =
            |url: &str| Outbound::Media { kind: MediaKind::Image, source: MediaSource::Link(url.into()), caption: None, filename: None };
        assert_eq!(media("https://cdn.example/a.png").check(), Ok(()));
        assert!(media("http://cdn.example/a.png").check().is_err());
        assert!(media("file:///etc/passwd").check().is_err());
        assert!(media("http://127.0.0.1.evil.example/a").check().is_err());
        let file = |name: &str| Outbound::Media {
            kind: MediaKind::Image,
            source: MediaSource::from_address(format!("media:{name}")),
            caption: None,
            filename: None,
        };
        assert_eq!(file("a/banner.png").check(), Ok(()));
        assert!(file("../game.toml").check().is_err());
    }
}
