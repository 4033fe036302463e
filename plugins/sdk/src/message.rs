//! Builders for what is sent, on the contract's own types, with the limits that WhatsApp sets to each.
use crate::limits::{
    BODY_MAX, BUTTON_ID_MAX, BUTTON_TITLE_MAX, BUTTONS_MAX, CAPTION_MAX, Check, FOOTER_MAX, HEADER_MAX, LIST_BODY_MAX, LimitError, Problem,
    ROW_DESCRIPTION_MAX, ROW_ID_MAX, ROW_TITLE_MAX, ROWS_MAX, SECTION_TITLE_MAX, SECTIONS_MAX, TEXT_MAX, at_most, count, distinct, fail,
    some,
};
use crate::types::{
    Buttons, Choice, Header, LinkButton, ListMessage, ListRow, ListSection, MediaKind, MediaSource, Outbound, OutboundMedia, Text,
};

impl From<&str> for Outbound {
    fn from(body: &str) -> Self {
        body.to_owned().into()
    }
}

impl From<String> for Outbound {
    fn from(body: String) -> Self {
        Self::Text(Text { body, preview: false })
    }
}

macro_rules! outbound_from {
    ($($type:ident => $case:ident),*) => {
        $(impl From<$type> for Outbound {
            fn from(message: $type) -> Self {
                Self::$case(message)
            }
        })*
    };
}

outbound_from!(Text => Text, Buttons => Buttons, ListMessage => List, OutboundMedia => Media, LinkButton => LinkButton);

impl Text {
    /// A text that is more than its words: see [`Text::preview`]. A plain one is a string.
    #[must_use]
    pub fn new(body: impl Into<String>) -> Self {
        Self { body: body.into(), preview: false }
    }

    /// Shows a preview of its first link.
    #[must_use]
    pub fn preview(mut self) -> Self {
        self.preview = true;
        self
    }
}

impl Buttons {
    /// Text above up to three reply buttons.
    #[must_use]
    pub fn new(body: impl Into<String>) -> Self {
        Self { header: None, body: body.into(), footer: None, buttons: Vec::with_capacity(BUTTONS_MAX) }
    }

    /// Adds a button. Its `id` comes back when it is pressed.
    #[must_use]
    pub fn button(mut self, id: impl Into<String>, title: impl Into<String>) -> Self {
        self.buttons.push(Choice { id: id.into(), title: title.into() });
        self
    }

    /// A header above the body.
    #[must_use]
    pub fn header(mut self, header: Header) -> Self {
        self.header = Some(header);
        self
    }

    /// Small print below the body.
    #[must_use]
    pub fn footer(mut self, footer: impl Into<String>) -> Self {
        self.footer = Some(footer.into());
        self
    }
}

impl ListMessage {
    /// Text with a button, labelled `button`, that opens a list.
    #[must_use]
    pub fn new(body: impl Into<String>, button: impl Into<String>) -> Self {
        Self { header: None, body: body.into(), footer: None, button: button.into(), sections: Vec::new() }
    }

    /// Adds a section.
    #[must_use]
    pub fn section(mut self, section: ListSection) -> Self {
        self.sections.push(section);
        self
    }

    /// A header above the body.
    #[must_use]
    pub fn header(mut self, header: impl Into<String>) -> Self {
        self.header = Some(header.into());
        self
    }

    /// Small print below the body.
    #[must_use]
    pub fn footer(mut self, footer: impl Into<String>) -> Self {
        self.footer = Some(footer.into());
        self
    }
}

impl ListSection {
    /// A section; the title may be empty where it is the only one.
    #[must_use]
    pub fn new(title: impl Into<String>) -> Self {
        Self { title: title.into(), rows: Vec::new() }
    }

    /// Adds a row. Its `id` comes back when it is chosen.
    #[must_use]
    pub fn row(mut self, id: impl Into<String>, title: impl Into<String>, description: Option<String>) -> Self {
        self.rows.push(ListRow { id: id.into(), title: title.into(), description });
        self
    }
}

impl OutboundMedia {
    /// A picture, film, sound, document or sticker.
    #[must_use]
    pub fn new(kind: MediaKind, source: MediaSource) -> Self {
        Self { kind, source, caption: None, filename: None }
    }

    /// Text below it. Not for sounds and stickers.
    #[must_use]
    pub fn caption(mut self, caption: impl Into<String>) -> Self {
        self.caption = Some(caption.into());
        self
    }

    /// A document's name.
    #[must_use]
    pub fn filename(mut self, filename: impl Into<String>) -> Self {
        self.filename = Some(filename.into());
        self
    }
}

impl LinkButton {
    /// Text above a button that opens `url`.
    #[must_use]
    pub fn new(body: impl Into<String>, label: impl Into<String>, url: impl Into<String>) -> Self {
        Self { body: body.into(), footer: None, label: label.into(), url: url.into() }
    }

    /// Small print below the body.
    #[must_use]
    pub fn footer(mut self, footer: impl Into<String>) -> Self {
        self.footer = Some(footer.into());
        self
    }
}

impl Check for Outbound {
    fn check(&self) -> Result<(), LimitError> {
        match self {
            Self::Text(text) => some("text.body", &text.body, TEXT_MAX),
            Self::Buttons(buttons) => buttons.check(),
            Self::List(list) => list.check(),
            Self::Media(media) => media.check(),
            Self::LocationRequest(body) => some("location-request", body, BODY_MAX),
            Self::ContactRequest(body) => some("contact-request", body, BODY_MAX),
            Self::LinkButton(link) => link.check(),
            Self::Extension(_) => Ok(()),
        }
    }
}

impl Check for Buttons {
    fn check(&self) -> Result<(), LimitError> {
        if let Some(header) = &self.header {
            header.check()?;
        }
        some("buttons.body", &self.body, BODY_MAX)?;
        footer(self.footer.as_deref())?;
        count("buttons", self.buttons.len(), BUTTONS_MAX)?;
        for button in &self.buttons {
            some("buttons.id", &button.id, BUTTON_ID_MAX)?;
            some("buttons.title", &button.title, BUTTON_TITLE_MAX)?;
        }
        distinct("buttons.id", self.buttons.iter().map(|button| button.id.as_str()))?;
        distinct("buttons.title", self.buttons.iter().map(|button| button.title.as_str()))
    }
}

impl Check for Header {
    fn check(&self) -> Result<(), LimitError> {
        match self {
            Self::Text(text) => some("header", text, HEADER_MAX),
            Self::Image(source) | Self::Video(source) | Self::Document(source) => source.check(),
        }
    }
}

/// In front of the name of a file of the game.
const FILE: &str = "media:";

impl MediaSource {
    /// A file of the game's folder, by its path below `media/`: the host brings it to WhatsApp, once.
    #[must_use]
    pub fn file(name: &str) -> Self {
        Self::Link(format!("{FILE}{name}"))
    }
}

impl Check for MediaSource {
    fn check(&self) -> Result<(), LimitError> {
        match self {
            Self::Id(id) if id.is_empty() => fail("media.id", Problem::Missing),
            Self::Id(_) => Ok(()),
            Self::Link(link) if link.starts_with(FILE) => Ok(()),
            // What runs beside a host under test needs no certificate; the host knows whether it is allowed.
            Self::Link(link) if ["http://127.0.0.1:", "http://localhost:"].iter().any(|own| link.starts_with(own)) => Ok(()),
            Self::Link(link) => https("media.link", link),
        }
    }
}

impl Check for ListMessage {
    fn check(&self) -> Result<(), LimitError> {
        if let Some(header) = &self.header {
            some("list.header", header, HEADER_MAX)?;
        }
        some("list.body", &self.body, LIST_BODY_MAX)?;
        footer(self.footer.as_deref())?;
        some("list.button", &self.button, BUTTON_TITLE_MAX)?;
        count("list.sections", self.sections.len(), SECTIONS_MAX)?;
        for section in &self.sections {
            if self.sections.len() > 1 {
                some("list.sections.title", &section.title, SECTION_TITLE_MAX)?;
            } else {
                at_most("list.sections.title", &section.title, SECTION_TITLE_MAX)?;
            }
            if section.rows.is_empty() {
                fail("list.sections.rows", Problem::Missing)?;
            }
        }
        let rows = self.sections.iter().flat_map(|section| &section.rows);
        count("list.rows", rows.clone().count(), ROWS_MAX)?;
        for row in rows.clone() {
            some("list.rows.id", &row.id, ROW_ID_MAX)?;
            some("list.rows.title", &row.title, ROW_TITLE_MAX)?;
            if let Some(description) = &row.description {
                some("list.rows.description", description, ROW_DESCRIPTION_MAX)?;
            }
        }
        distinct("list.rows.id", rows.map(|row| row.id.as_str()))
    }
}

impl Check for OutboundMedia {
    fn check(&self) -> Result<(), LimitError> {
        self.source.check()?;
        let Some(caption) = &self.caption else {
            return Ok(());
        };
        if matches!(self.kind, MediaKind::Audio | MediaKind::Sticker) {
            return fail("media.caption", Problem::Invalid("is not for sounds and stickers"));
        }
        some("media.caption", caption, CAPTION_MAX)
    }
}

impl Check for LinkButton {
    fn check(&self) -> Result<(), LimitError> {
        some("link-button.body", &self.body, BODY_MAX)?;
        footer(self.footer.as_deref())?;
        some("link-button.label", &self.label, BUTTON_TITLE_MAX)?;
        https("link-button.url", &self.url)
    }
}

fn footer(text: Option<&str>) -> Result<(), LimitError> {
    text.map_or(Ok(()), |text| some("footer", text, FOOTER_MAX))
}

fn https(field: &'static str, address: &str) -> Result<(), LimitError> {
    match address.strip_prefix("https://") {
        Some(rest) if !rest.is_empty() && !rest.contains(char::is_whitespace) => Ok(()),
        _ => fail(field, Problem::Invalid("is not an https address")),
    }
}
